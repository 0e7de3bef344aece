export { ageProgram } from "./age.ts";
export { decryptedByAge, filesInArchive } from "./archive.ts";
export { type BrowserPage, launchBrowser, openBrowserPage } from "./browser.ts";
export { type Fault, checkConversation, type SideLog } from "./crash/checker.ts";
export {
  COMMAND,
  type CommandOptions,
  type CommandResult,
  environmentIn,
  fastchat,
  fastchatJson,
  objectsIn,
  type RunningCommand,
  startFastchat,
} from "./fastchat.ts";
export { anotherDevice, enter, newPassword, type Person, person, type PersonOptions, signUpPeople } from "./person.ts";
export { TestProcess } from "./process.ts";
export { bodyOf, changedClientFrame, changedServerFrame, FrameProxy, type ProxiedConnection, type Recorded, type Script } from "./proxy.ts";
export { animation, bombPng, photo, tracesIn } from "./pictures.ts";
export { closeScreens, TestScreen } from "./screen.ts";
export { SmallDisk } from "./small-disk.ts";
export { type ChatServerPart, startSystem, type System, type SystemOptions } from "./system.ts";
export { TemporaryFolder } from "./temporary-folder.ts";
