import type { ConversationSummary, GroupPolicyChange, GroupRole, Groups } from "@fastchat/client";
import { heirWords, leaveGroup } from "../leave-group.ts";
import { andWords } from "../words.ts";

/** What is done to a group that is there. */
export type GroupChange =
  | { readonly kind: "add" | "remove" | "approve" | "reject"; readonly names: readonly string[] }
  | { readonly kind: "role"; readonly names: readonly string[]; readonly role: GroupRole }
  | { readonly kind: "profile"; readonly name?: string; readonly description?: string }
  | { readonly kind: "policy"; readonly policy: GroupPolicyChange }
  | { readonly kind: "leave"; readonly successor?: string }
  | { readonly kind: "revoke-invitation"; readonly publicKey: string };

/** Gives what to say when it is done; undefined: the conversation tells it. */
export async function changeGroup(groups: Groups, id: ConversationSummary["id"], change: GroupChange): Promise<string | undefined> {
  switch (change.kind) {
    case "add":
      await groups.add(id, change.names);
      return undefined;
    case "remove":
      await groups.remove(id, change.names);
      return undefined;
    case "approve":
      await groups.approve(id, change.names);
      return undefined;
    case "reject":
      await groups.reject(id, change.names);
      return `${andWords(change.names)} ${change.names.length === 1 ? "is" : "are"} not let in.`;
    case "role":
      await groups.setRole(id, change.names, change.role);
      return undefined;
    case "profile": {
      const { name, description } = change;
      await groups.setProfile(id, { ...(name !== undefined && { name }), ...(description !== undefined && { description }) });
      return undefined;
    }
    case "policy":
      await groups.setPolicy(id, change.policy);
      return undefined;
    case "leave": {
      const heirs = await leaveGroup(groups, id, change.successor);
      return heirs.length === 0 ? undefined : `You left. ${heirWords(heirs)}`;
    }
    case "revoke-invitation":
      await groups.revokeInvitation(id, change.publicKey);
      return "The invitation is taken back: nobody joins by it any more.";
    default:
      return change satisfies never;
  }
}
