import { z } from 'zod';
import { path } from '../request.js';
import type { Transport } from '../transport.js';
import { change, read, type CallOptions } from './calls.js';
import { DruidRemoteError } from '../errors.js';

/** What a permission is about; `name` is a regular expression of Java. */
export interface SecurityResource {
  readonly type:
    | 'DATASOURCE'
    | 'CONFIG'
    | 'STATE'
    | 'SYSTEM_TABLE'
    | 'VIEW'
    | 'EXTERNAL'
    | 'QUERY_CONTEXT'
    | (string & {});
  readonly name: string;
}

/** A permission of a role. */
export interface SecurityPermission {
  readonly resource: SecurityResource;
  readonly action: 'READ' | 'WRITE';
}

const names = z.array(z.string());
const permission = z.looseObject({
  resource: z.looseObject({ type: z.string(), name: z.string() }),
  action: z.enum(['READ', 'WRITE']),
});
const user = z.looseObject({ name: z.string(), roles: names });
const role = z.looseObject({
  name: z.string(),
  permissions: z.array(permission),
  users: names.nullish(),
});
const loadStatus = z.record(z.string(), z.boolean());

/** A user and its roles. */
export type SecurityUser = z.output<typeof user>;

/** A role, its permissions and its users. */
export type SecurityRole = z.output<typeof role>;

const base = '/druid-ext/basic-security';

/**
 * Users, roles and permissions of the extension `druid-basic-security` ("Basic Security" in Druid's documentation).
 * Every user needs credentials (authentication) and roles (authorization); the two are kept apart, each under the name
 * it has in the server's configuration. Only the Coordinator answers, and the Router does not pass these requests on
 * (404): make a client with the leading Coordinator's address, `(await druid.cluster.leader()).coordinator`. All changes
 * are sent exactly once, and reach the other processes within moments.
 *
 * @example
 * const druid = new DruidClient({ url: 'http://coordinator:8081', auth });
 * const { authentication, authorization } = druid.security('Basic', 'Authz');
 * await authentication.createUser('ada');
 * await authentication.setPassword('ada', password);
 * await authorization.createUser('ada');
 * await authorization.createRole('reader');
 * await authorization.setPermissions('reader', [{ resource: { type: 'DATASOURCE', name: '.*' }, action: 'READ' }]);
 * await authorization.assignRole('ada', 'reader');
 */
export class DruidSecurity {
  /** Credentials. */
  readonly authentication: DruidAuthentication;
  /** Roles and permissions. */
  readonly authorization: DruidAuthorization;
  private readonly transport: Transport;

  constructor(transport: Transport, authenticatorName: string, authorizerName: string) {
    this.transport = transport;
    this.authentication = new DruidAuthentication(transport, authenticatorName);
    this.authorization = new DruidAuthorization(transport, authorizerName);
  }

  /** Whether the process behind the URL has the credentials, by authenticator. */
  authenticationLoadStatus(options: CallOptions = {}): Promise<Record<string, boolean>> {
    const call = { operation: 'load status of users', path: `${base}/authentication/loadStatus` };
    return read(this.transport, call, loadStatus, options);
  }

  /** Whether the process behind the URL has the roles and permissions, by authorizer. */
  authorizationLoadStatus(options: CallOptions = {}): Promise<Record<string, boolean>> {
    const call = { operation: 'load status of roles', path: `${base}/authorization/loadStatus` };
    return read(this.transport, call, loadStatus, options);
  }
}

/** Users of an authenticator. */
export class DruidAuthentication {
  private readonly transport: Transport;
  private readonly base: string;

  constructor(transport: Transport, authenticatorName: string) {
    this.transport = transport;
    this.base = path`/druid-ext/basic-security/authentication/db/${authenticatorName}/users`;
  }

  /** Names of all users. */
  users(options: CallOptions = {}): Promise<string[]> {
    return read(this.transport, { operation: 'users', path: this.base }, names, options);
  }

  /** Creates a user, who cannot log in before {@link DruidAuthentication.setPassword}. @throws DruidRemoteError (400 if there is one) */
  createUser(name: string, options: CallOptions = {}): Promise<void> {
    return change(this.transport, { operation: 'creation of a user', path: this.pathOf(name) }, options);
  }

  /** Sets the password. @throws DruidRemoteError (400 for an unknown user) */
  setPassword(name: string, password: string, options: CallOptions = {}): Promise<void> {
    const at = `${this.pathOf(name)}/credentials`;
    return change(
      this.transport,
      { operation: 'setting of a password', path: at, body: { password } },
      options,
    );
  }

  /** Removes a user; false if there is none. */
  deleteUser(name: string, options: CallOptions = {}): Promise<boolean> {
    return remove(this.transport, 'removal of a user', this.pathOf(name), options);
  }

  private pathOf(name: string): string {
    return `${this.base}${path`/${name}`}`;
  }
}

/** Users, roles and permissions of an authorizer. */
export class DruidAuthorization {
  private readonly transport: Transport;
  private readonly base: string;

  constructor(transport: Transport, authorizerName: string) {
    this.transport = transport;
    this.base = path`/druid-ext/basic-security/authorization/db/${authorizerName}`;
  }

  /** Names of all users. */
  users(options: CallOptions = {}): Promise<string[]> {
    return read(this.transport, { operation: 'users', path: `${this.base}/users` }, names, options);
  }

  /** A user with its roles, or undefined if there is none. */
  user(name: string, options: CallOptions = {}): Promise<SecurityUser | undefined> {
    return unlessMissing(
      read(this.transport, { operation: 'user', path: this.userPath(name) }, user, options),
    );
  }

  /** Creates a user without roles. @throws DruidRemoteError (400 if there is one) */
  createUser(name: string, options: CallOptions = {}): Promise<void> {
    return change(this.transport, { operation: 'creation of a user', path: this.userPath(name) }, options);
  }

  /** Removes a user; false if there is none. */
  deleteUser(name: string, options: CallOptions = {}): Promise<boolean> {
    return remove(this.transport, 'removal of a user', this.userPath(name), options);
  }

  /** Names of all roles. */
  roles(options: CallOptions = {}): Promise<string[]> {
    return read(this.transport, { operation: 'roles', path: `${this.base}/roles` }, names, options);
  }

  /** A role with its permissions and users, or undefined if there is none. */
  role(name: string, options: CallOptions = {}): Promise<SecurityRole | undefined> {
    const query = { full: '', simplifyPermissions: '' };
    return unlessMissing(
      read(this.transport, { operation: 'role', path: this.rolePath(name), query }, role, options),
    );
  }

  /** Creates a role without permissions. @throws DruidRemoteError (400 if there is one) */
  createRole(name: string, options: CallOptions = {}): Promise<void> {
    return change(this.transport, { operation: 'creation of a role', path: this.rolePath(name) }, options);
  }

  /** Removes a role; false if there is none. */
  deleteRole(name: string, options: CallOptions = {}): Promise<boolean> {
    return remove(this.transport, 'removal of a role', this.rolePath(name), options);
  }

  /** Replaces a role's permissions. @throws DruidRemoteError (400 for an unknown role) */
  setPermissions(
    roleName: string,
    permissions: readonly SecurityPermission[],
    options: CallOptions = {},
  ): Promise<void> {
    const at = `${this.rolePath(roleName)}/permissions`;
    return change(
      this.transport,
      { operation: 'setting of permissions', path: at, body: permissions },
      options,
    );
  }

  /** Gives a user a role. @throws DruidRemoteError (400 for an unknown user or role, or a role that the user has) */
  assignRole(userName: string, roleName: string, options: CallOptions = {}): Promise<void> {
    return change(
      this.transport,
      { operation: 'assignment of a role', path: this.userRolePath(userName, roleName) },
      options,
    );
  }

  /** Takes a role from a user. @throws DruidRemoteError (400 for an unknown user or role, or a role that the user lacks) */
  unassignRole(userName: string, roleName: string, options: CallOptions = {}): Promise<void> {
    const call = {
      operation: 'removal of a role from a user',
      path: this.userRolePath(userName, roleName),
      method: 'DELETE',
    } as const;
    return change(this.transport, call, options);
  }

  private userPath(name: string): string {
    return `${this.base}${path`/users/${name}`}`;
  }

  private rolePath(name: string): string {
    return `${this.base}${path`/roles/${name}`}`;
  }

  private userRolePath(userName: string, roleName: string): string {
    return `${this.userPath(userName)}${path`/roles/${roleName}`}`;
  }
}

// The extension answers 400 ("User [ada] does not exist."); its 404 means that this is not the Coordinator.
function isMissing(error: unknown): boolean {
  return DruidRemoteError.is(error) && error.details.status === 400 && /does not exist/.test(error.message);
}

async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function remove(
  transport: Transport,
  operation: string,
  at: string,
  options: CallOptions,
): Promise<boolean> {
  try {
    await change(transport, { operation, path: at, method: 'DELETE' }, options);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
