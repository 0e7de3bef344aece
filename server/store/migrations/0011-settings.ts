/** What whoever runs the installation chose while it ran; all its processes follow. `name`: "strategy", how gateways choose chat servers. */
export const settings = `
CREATE TABLE setting (
  name text PRIMARY KEY,
  value text NOT NULL
);
`;
