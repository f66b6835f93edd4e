import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RealServerError } from '../java-runtime/real-server-error.js';
import { runTool } from '../java-runtime/run-tool.js';

/** The listener with TLS and SASL, in `listeners` and in the names of its properties. */
export const SECURE_LISTENER = 'SASL_SSL';
const MECHANISMS = ['SCRAM-SHA-512', 'SCRAM-SHA-256'];
const KEYSTORE_PASSWORD = 'millrace';

/** @throws RealServerError `invalid-options` for what would have to be quoted in Kafka's settings */
export const checkUsers = (users: Readonly<Record<string, string>>): void => {
  const wrong = Object.entries(users).find(
    ([name, password]) => !/^[\w.-]+ [\w.-]+$/.test(`${name} ${password}`),
  );
  if (wrong === undefined) return;
  throw new RealServerError(
    'invalid-options',
    `'users' has '${wrong[0]}'; names and passwords must be of letters, digits, '.', '_' and '-'.`,
    { details: { option: 'users' } },
  );
};

/**
 * A key for 127.0.0.1 in the data folder, made unless it is there, with a certificate that it signs itself.
 *
 * @returns The certificate as PEM.
 */
export const prepareKeystore = async (dataDir: string, signal: AbortSignal | undefined): Promise<string> => {
  const keystore = keystoreIn(dataDir);
  const certificate = join(dataDir, 'certificate.pem');
  const isThere = await access(certificate).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    const common = ['-alias', 'broker', '-keystore', keystore, '-storepass', KEYSTORE_PASSWORD];
    const subject = ['-dname', 'CN=localhost', '-ext', 'san=ip:127.0.0.1', '-validity', '3650'];
    await keytool(['-genkeypair', ...common, '-keyalg', 'EC', '-storetype', 'PKCS12', ...subject], signal);
    await keytool(['-exportcert', '-rfc', '-file', certificate, ...common], signal);
  }
  return readFile(certificate, 'utf8');
};

const keytool = async (args: readonly string[], signal: AbortSignal | undefined): Promise<void> => {
  const { exitCode, output } = await runTool('keytool', args, { signal });
  if (exitCode === 0) return;
  throw new RealServerError(
    'server-died',
    `keytool failed (exit code ${exitCode ?? 'none'}):\n${output.trim()}`,
    {
      details: { tool: 'keytool', exitCode },
    },
  );
};

const keystoreIn = (dataDir: string): string => join(dataDir, 'keystore.p12');

export const secureProperties = (
  users: Readonly<Record<string, string>>,
  dataDir: string,
): Record<string, string> => {
  const listener = `listener.name.${SECURE_LISTENER.toLowerCase()}`;
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  const known = Object.entries(users).map(([name, password]) => ` user_${name}="${password}"`);
  return {
    'sasl.enabled.mechanisms': ['PLAIN', ...MECHANISMS].join(','),
    [`${listener}.plain.sasl.jaas.config`]: `org.apache.kafka.common.security.plain.PlainLoginModule required${known.join('')};`,
    ...Object.fromEntries(
      MECHANISMS.map((mechanism) => [`${listener}.${mechanism.toLowerCase()}.sasl.jaas.config`, scram]),
    ),
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.location': keystoreIn(dataDir),
    'ssl.keystore.password': KEYSTORE_PASSWORD,
  };
};

/** For formatting a folder, which keeps the users. */
export const scramArguments = (users: Readonly<Record<string, string>>): string[] =>
  Object.entries(users).flatMap(([name, password]) =>
    MECHANISMS.flatMap((mechanism) => ['--add-scram', `${mechanism}=[name=${name},password=${password}]`]),
  );
