/** The time of a refusal by Basic does not tell which names are users'. */
import { expect, it, vi } from 'vitest';
import { formatPasswordHash, type PasswordHash } from '../../../../src/base/password-hash.js';
import { BasicAuthenticator } from '../../../../src/filters/authentication/basic-authenticator.js';
import { aRequest } from '../../../support/authentication-request.js';

const checked = vi.hoisted(() => [] as PasswordHash[]);

vi.mock(
  '../../../../src/filters/authentication/password-hash.js',
  async (importOriginal: () => Promise<Record<string, unknown>>) => ({
    ...(await importOriginal()),
    isPassword: async (_password: string, known: PasswordHash) => {
      checked.push(known);
      return true;
    },
  }),
);

function anAuthenticator(...costs: number[]): BasicAuthenticator {
  return new BasicAuthenticator({
    ...{ index: 0, name: 'basic', type: 'basic', claimHeaders: [], forwardCredentials: false },
    users: costs.map((costLog2, at) => {
      const [salt, hash] = [Buffer.alloc(16, at), Buffer.alloc(64, at + 1)];
      const parsed = { costLog2, blockSize: 8, parallelization: 4, salt, hash };
      return { id: `user-${at}`, passwordHash: formatPasswordHash(parsed), scopes: [] };
    }),
  });
}

async function costsOf(authenticator: BasicAuthenticator, names: string[]): Promise<number[]> {
  checked.length = 0;
  for (const name of names) {
    const authorization = `Basic ${Buffer.from(`${name}:x`).toString('base64')}`;
    const { verdict } = await authenticator.authenticate(aRequest({ authorization }), 0);
    expect(verdict).toBe('refused');
  }
  expect(checked.every((one) => one.parallelization === 4 && one.hash.length === 64)).toBe(true);
  return checked.map((one) => one.costLog2);
}

const NAMES = Array.from({ length: 50 }, (_, at) => `nobody-${at}`);

it('a name of nobody costs what one of the users costs', async () => {
  expect(await costsOf(anAuthenticator(17, 17), NAMES)).toEqual(NAMES.map(() => 17));
});

it('where users cost differently, a name costs the same each time, in every worker', async () => {
  const costs = await costsOf(anAuthenticator(14, 16), NAMES);
  expect([...new Set(costs)].sort()).toEqual([14, 16]);
  expect(await costsOf(anAuthenticator(14, 16), NAMES)).toEqual(costs);
});
