/** Who closes an account asks no group any more. */
export const joinRequestsOfAccount = `
CREATE INDEX join_request_account ON join_request (account);
`;
