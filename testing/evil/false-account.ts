import { idBytes } from "@fastchat/protocol";
import { equal, random } from "@fastchat/protocol/seal";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import type { Person } from "../person.ts";
import { bodyOf, changedServerFrame, type ProxiedConnection, type Script, whileConnected } from "../proxy.ts";

/** Every answer about this account shows these links instead, and nobody is told that it moved. */
export function showingLinks(
  person: Person,
  change: (links: readonly SignedLink[]) => readonly SignedLink[],
): NonNullable<Script["toClient"]> {
  const account = idBytes(person.me.account);
  return (frame, connection) => {
    const { body } = frame;
    if (body.case === "accountMoved" && equal(body.value.head!.account, account)) return undefined;
    if (body.case !== "account" || !equal(body.value.account, account)) return frame;
    const asked = connection.asked(frame)?.body;
    const after = asked?.case === "fetchAccount" ? asked.value.after : 0;
    const question = connection.ask({ case: "fetchAccount", value: { by: { case: "account", value: account }, after: 0 } });
    whileConnected(
      question.then((answer) => {
        const links = change(bodyOf(answer, "account").links).slice(after);
        connection.pass(changedServerFrame(frame, { case: "account", value: { ...body.value, links } }));
      }),
    );
    return undefined;
  };
}

/** Says that this account has a newer head. */
export const pushHead = (connection: ProxiedConnection, person: Person, index: number): void =>
  connection.push({ case: "accountMoved", value: { head: { account: idBytes(person.me.account), index, hash: random(32) } } });
