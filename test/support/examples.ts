/**
 * The sample configurations in examples/, and the variables that they need.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const EXAMPLES_FOLDER = fileURLToPath(
  new URL(
    import.meta.url.includes('/dist/') ? '../../../examples' : '../../examples',
    import.meta.url,
  ),
);

/** Names of the configurations, without their end. Each has a table `NAME.tests.yaml`. */
export const EXAMPLE_NAMES = readdirSync(EXAMPLES_FOLDER)
  .filter((file) => file.endsWith('.yaml') && !file.endsWith('.tests.yaml'))
  .map((file) => file.replace(/\.yaml$/, ''))
  .sort();

export const EXAMPLE_VARIABLES = {
  JWT_SECRET: 'a secret of at least thirty-two bytes',
  PARTNER_KEY_SHA256: createHash('sha256').update('the key of acme').digest('hex'),
  TEAM_A_KEY_SHA256: createHash('sha256').update('the key of team a').digest('hex'),
  TEAM_B_KEY_SHA256: createHash('sha256').update('the key of team b').digest('hex'),
  ADA_PASSWORD_HASH: `$scrypt$ln=15,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`,
  STORE_PASSWORD: 'the password of the store',
  OIDC_CLIENT_SECRET: 'the password of the gateway',
  SESSION_SECRET: 'a secret of at least thirty-two characters',
  GITHUB_WEBHOOK_SECRET: 'a secret that GitHub knows',
  STRIPE_WEBHOOK_SECRET: 'a secret that Stripe knows',
  PARTNER_PUBLIC_KEY: JSON.stringify({
    kty: 'OKP',
    crv: 'Ed25519',
    x: 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs',
  }),
  ADMIN_TOKEN: 'a token of the admin listener'.replaceAll(' ', '-'),
};

export function exampleFile(name: string): string {
  return join(EXAMPLES_FOLDER, `${name}.yaml`);
}

export function exampleTests(name: string): string {
  return join(EXAMPLES_FOLDER, `${name}.tests.yaml`);
}

/** Tables that belong to no configuration. */
export function strayTables(): string[] {
  return readdirSync(EXAMPLES_FOLDER)
    .filter((file) => file.endsWith('.tests.yaml'))
    .filter((file) => !existsSync(exampleFile(file.replace(/\.tests\.yaml$/, ''))));
}
