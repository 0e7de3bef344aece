export { type BrowserPage, launchBrowser, openBrowserPage } from "./browser.ts";
export { type Fault, checkConversation, type SideLog } from "./crash/checker.ts";
export { type CommandOptions, type CommandResult, fastchat, type RunningCommand, startFastchat } from "./fastchat.ts";
export { anotherDevice, newPassword, type Person, person, type PersonOptions, signUpPeople } from "./person.ts";
export { TestProcess } from "./process.ts";
export { bodyOf, changedClientFrame, changedServerFrame, FrameProxy, type ProxiedConnection, type Recorded, type Script } from "./proxy.ts";
export { type ChatServerPart, startSystem, type System, type SystemOptions } from "./system.ts";
export { TemporaryFolder } from "./temporary-folder.ts";
