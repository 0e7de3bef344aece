import type { Command } from "./command.ts";

// All commands by name, in the order of the help. Each is loaded when it is asked for; only the client without arguments loads Ink and React.

export type Load = () => Promise<Command>;

/** A command of commands: `fastchat group create`. */
export interface Branch {
  readonly description: string;
  /** For whoever runs the server: no account's options. */
  readonly isOperators?: boolean;
  /** What it does without a further word. */
  readonly alone?: Load;
  readonly commands: Readonly<Record<string, Load>>;
}

const group: Branch = {
  description: "Groups: make them, and change who and what is in them",
  commands: {
    create: () => import("./group/create.ts").then(({ create }) => create),
    list: () => import("./group/list.ts").then(({ list }) => list),
    info: () => import("./group/info.ts").then(({ info }) => info),
    add: () => import("./group/add.ts").then(({ add }) => add),
    remove: () => import("./group/remove.ts").then(({ remove }) => remove),
    promote: () => import("./group/roles.ts").then(({ promote }) => promote),
    demote: () => import("./group/roles.ts").then(({ demote }) => demote),
    rename: () => import("./group/rename.ts").then(({ rename }) => rename),
    describe: () => import("./group/describe.ts").then(({ describe }) => describe),
    picture: () => import("./group/picture.ts").then(({ picture }) => picture),
    policy: () => import("./group/policy.ts").then(({ policy }) => policy),
    link: () => import("./group/link.ts").then(({ link }) => link),
    join: () => import("./group/join.ts").then(({ join }) => join),
    find: () => import("./group/find.ts").then(({ find }) => find),
    requests: () => import("./group/requests.ts").then(({ requests }) => requests),
    approve: () => import("./group/answers.ts").then(({ approve }) => approve),
    reject: () => import("./group/answers.ts").then(({ reject }) => reject),
    leave: () => import("./group/leave.ts").then(({ leave }) => leave),
  },
};

const broadcast: Branch = {
  description: "Write to many at once, to each by themselves",
  commands: {
    send: () => import("./broadcast/send.ts").then(({ send }) => send),
    make: () => import("./broadcast/lists.ts").then(({ make }) => make),
    list: () => import("./broadcast/lists.ts").then(({ list }) => list),
    delete: () => import("./broadcast/lists.ts").then(({ remove }) => remove),
  },
};

const listDevices: Load = () => import("./devices/list.ts").then(({ list }) => list);

const devices: Branch = {
  description: "The devices that are signed in to your account; take rights from one that is lost",
  alone: listDevices,
  commands: {
    list: listDevices,
    rename: () => import("./devices/rename.ts").then(({ rename }) => rename),
    revoke: () => import("./devices/revoke.ts").then(({ revoke }) => revoke),
    policy: () => import("./devices/policy.ts").then(({ policy }) => policy),
  },
};

const account: Branch = {
  description: "Your account: delete it",
  commands: {
    delete: () => import("./account/delete.ts").then(({ remove }) => remove),
  },
};

const admin: Branch = {
  description: "For whoever runs the server: what it keeps, and how its gateways choose chat servers",
  isOperators: true,
  commands: {
    files: () => import("./admin/files.ts").then(({ files }) => files),
    strategy: () => import("./admin/strategy.ts").then(({ strategy }) => strategy),
  },
};

export const commands: Readonly<Record<string, Load | Branch>> = {
  up: () => import("../roles.ts").then(({ roleCommand }) => roleCommand("up")),
  gateway: () => import("../roles.ts").then(({ roleCommand }) => roleCommand("gateway")),
  server: () => import("../roles.ts").then(({ roleCommand }) => roleCommand("server")),
  admin,
  bench: () => import("./bench.ts").then(({ bench }) => bench),
  signup: () => import("./signup.ts").then(({ signup }) => signup),
  signin: () => import("./signin.ts").then(({ signin }) => signin),
  signout: () => import("./signout.ts").then(({ signout }) => signout),
  passwd: () => import("./passwd.ts").then(({ passwd }) => passwd),
  recover: () => import("./recover.ts").then(({ recover }) => recover),
  whoami: () => import("./whoami.ts").then(({ whoami }) => whoami),
  devices,
  account,
  export: () => import("./export.ts").then(({ exportCommand }) => exportCommand),
  people: () => import("./people.ts").then(({ people }) => people),
  conversations: () => import("./conversations.ts").then(({ conversations }) => conversations),
  send: () => import("./send.ts").then(({ send }) => send),
  save: () => import("./save.ts").then(({ save }) => save),
  open: () => import("./open.ts").then(({ open }) => open),
  read: () => import("./read.ts").then(({ read }) => read),
  delete: () => import("./delete.ts").then(({ remove }) => remove),
  tail: () => import("./tail.ts").then(({ tail }) => tail),
  wait: () => import("./wait.ts").then(({ wait }) => wait),
  group,
  broadcast,
  requests: () => import("./requests.ts").then(({ requests }) => requests),
  accept: () => import("./answers.ts").then(({ accept }) => accept),
  decline: () => import("./answers.ts").then(({ decline }) => decline),
  block: () => import("./block.ts").then(({ block }) => block),
  unblock: () => import("./block.ts").then(({ unblock }) => unblock),
  expire: () => import("./expire.ts").then(({ expire }) => expire),
  mute: () => import("./mute.ts").then(({ mute }) => mute),
  unmute: () => import("./mute.ts").then(({ unmute }) => unmute),
  pin: () => import("./pin.ts").then(({ pin }) => pin),
  unpin: () => import("./pin.ts").then(({ unpin }) => unpin),
  verify: () => import("./verify.ts").then(({ verify }) => verify),
};
