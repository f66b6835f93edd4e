/**
 * Which Druid a cluster is: its version, and which of the optional extensions it has.
 * Pure: what the caller's options mean, and whether that version can do it, is decided before anything is fetched.
 */
import { basename } from 'node:path';

import { RealServerError } from '../java-runtime/real-server-error.js';

/** The versions of which Maven gets enough jars for a whole cluster. */
export type DruidVersion = '33.0.0' | '27.0.0';

/** HTTP basic authentication for every role. */
export interface BasicSecurityOptions {
  /**
   * Password of the user `admin`, who may do everything; `millrace` by default. Druid allows no colon in it. A `dataDir` keeps the password of its
   * first start for life.
   */
  readonly adminPassword?: string;
}

/** Who may log in; `auth` of the Druid client takes it as it is. */
export interface DruidCredentials {
  readonly type: 'basic';
  readonly username: string;
  readonly password: string;
  /** The value of the header `Authorization`. */
  readonly authorization: string;
}

export interface DruidFlavour {
  readonly version: DruidVersion;
  readonly multiStageQuery: boolean;
  /** The administrator; undefined without security. */
  readonly credentials: DruidCredentials | undefined;
}

/** The options that choose a flavour. */
export interface DruidFlavourOptions {
  readonly version?: DruidVersion;
  readonly multiStageQuery?: boolean;
  readonly basicSecurity?: boolean | BasicSecurityOptions;
}

type Extension = 'multiStageQuery' | 'basicSecurity';

/** The extensions that one can do without, by the beginning of the names of their jars. */
const OPTIONAL_JARS: Readonly<Record<Extension, string>> = {
  multiStageQuery: 'druid-multi-stage-query-',
  basicSecurity: 'druid-basic-security-',
};

const AVAILABLE: Readonly<Record<DruidVersion, readonly Extension[]>> = {
  '33.0.0': [], // Maven gets neither extension of this version
  '27.0.0': ['multiStageQuery', 'basicSecurity'],
};

const DEFAULT_VERSION: DruidVersion = '33.0.0';
const DEFAULT_ADMIN_PASSWORD = 'millrace';

/** @throws RealServerError `invalid-options` when that version does not have what is asked for. */
export const flavourOf = (options: DruidFlavourOptions): DruidFlavour => {
  const version = options.version ?? DEFAULT_VERSION;
  if (!Object.hasOwn(AVAILABLE, version)) {
    const versions = Object.keys(AVAILABLE).join(' and ');
    throw invalid('version', `There is no Druid ${String(version)} here; the versions are ${versions}.`);
  }
  for (const extension of Object.keys(OPTIONAL_JARS) as Extension[]) {
    const isAsked = options[extension] !== undefined && options[extension] !== false;
    if (isAsked && !AVAILABLE[version].includes(extension)) {
      const others = (Object.keys(AVAILABLE) as DruidVersion[]).filter((other) =>
        AVAILABLE[other].includes(extension),
      );
      throw invalid(
        extension,
        `Option '${extension}' is not offered with Druid ${version}, because Maven does not get that extension. ` +
          `Leave the option out, or choose version ${others.join(' or ')}.`,
      );
    }
  }
  return {
    version,
    multiStageQuery: options.multiStageQuery ?? AVAILABLE[version].includes('multiStageQuery'),
    credentials: credentialsOf(options.basicSecurity),
  };
};

/** The jars that go on the class path: Druid activates every extension that it finds there. */
export const jarsOfFlavour = (jars: readonly string[], flavour: DruidFlavour): string[] => {
  const left: string[] = [];
  if (!flavour.multiStageQuery) left.push(OPTIONAL_JARS.multiStageQuery);
  if (flavour.credentials === undefined) left.push(OPTIONAL_JARS.basicSecurity);
  return jars.filter((jar) => !left.some((prefix) => basename(jar).startsWith(prefix)));
};

const credentialsOf = (security: DruidFlavourOptions['basicSecurity']): DruidCredentials | undefined => {
  if (security === undefined || security === false) return undefined;
  const password = (security === true ? undefined : security.adminPassword) ?? DEFAULT_ADMIN_PASSWORD;
  // Druid splits what it is sent at every colon, and refuses more than two parts.
  if (password === '' || password.includes(':')) {
    throw invalid(
      'basicSecurity.adminPassword',
      "Option 'basicSecurity.adminPassword' is empty or has a colon, with which nobody could log in to Druid; give another.",
    );
  }
  const username = 'admin'; // Druid's own name for it
  const encoded = Buffer.from(`${username}:${password}`, 'utf8').toString('base64');
  return { type: 'basic', username, password, authorization: `Basic ${encoded}` };
};

const invalid = (option: string, message: string): RealServerError =>
  new RealServerError('invalid-options', message, { details: { option } });
