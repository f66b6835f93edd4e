import type { DruidCredentials } from './druid-flavour.js';
import type { DruidRole } from './druid-properties.js';

/**
 * The properties of Druid's extension druid-basic-security: users and roles in the metadata store, an administrator,
 * and a user of the cluster's own for what the roles ask of each other.
 */
export const securityProperties = (
  { password }: DruidCredentials,
  role: DruidRole,
): Record<string, string> => ({
  'druid.auth.authenticatorChain': `["${AUTHENTICATOR}"]`,
  [`druid.auth.authenticator.${AUTHENTICATOR}.type`]: 'basic',
  [`druid.auth.authenticator.${AUTHENTICATOR}.initialAdminPassword`]: passwordProvider(password),
  [`druid.auth.authenticator.${AUTHENTICATOR}.initialInternalClientPassword`]: INTERNAL_PASSWORD,
  [`druid.auth.authenticator.${AUTHENTICATOR}.credentialsValidator.type`]: 'metadata',
  [`druid.auth.authenticator.${AUTHENTICATOR}.authorizerName`]: AUTHORIZER,
  // Each request, also of one role to another, hashes its password; with Druid's 10,000 rounds that is most of a short one.
  [`druid.auth.authenticator.${AUTHENTICATOR}.credentialIterations`]: '1',
  'druid.escalator.type': 'basic',
  'druid.escalator.internalClientUsername': 'druid_system',
  'druid.escalator.internalClientPassword': INTERNAL_PASSWORD,
  'druid.escalator.authorizerName': AUTHORIZER,
  'druid.auth.authorizers': `["${AUTHORIZER}"]`,
  [`druid.auth.authorizer.${AUTHORIZER}.type`]: 'basic',
  // A change of users reaches every role by a notification; this is how soon where one got lost. Every second would keep a third of a core busy.
  'druid.auth.basic.common.pollingPeriod': '15000',
  'druid.auth.basic.common.maxRandomDelay': '100',
  // Each role asks the Coordinator for the users as it starts, and waits long before it asks again.
  ...((role === 'broker' || role === 'router') && { 'millrace.after': 'coordinator' }),
});

/**
 * A password that Druid reads as it is. Bare, one that begins with { or [ would be taken for JSON; and ${…} is
 * replaced by what it names, before any JSON is read.
 */
const passwordProvider = (password: string): string =>
  JSON.stringify({ type: 'default', password }).replaceAll('$', String.raw`\u0024`);

const AUTHENTICATOR = 'Basic';
const AUTHORIZER = 'Authz';
/** Nothing listens on any address but 127.0.0.1, and whoever reads the data folder has the users' hashes anyway. */
const INTERNAL_PASSWORD = 'millrace-internal';
