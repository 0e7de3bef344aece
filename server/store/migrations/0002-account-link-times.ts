/** When a server took each link of an account chain, so that it can limit them by the day. */
export const accountLinkTimes = `
ALTER TABLE account_link ADD COLUMN time bigint NOT NULL DEFAULT 0;
`;
