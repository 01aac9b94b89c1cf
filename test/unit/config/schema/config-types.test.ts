import { expect, it } from 'vitest';
import type { GatewayConfig } from '../../../../src/config/gateway-config.js';
import type { CONFIG_SCHEMA } from '../../../../src/config/schema/config-schema.js';
import type { TypeOf } from '../../../../src/schema/schema-node.js';

type IsEqual<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Without the names of interfaces. */
type Plain<T> = T extends readonly (infer Item)[]
  ? readonly Plain<Item>[]
  : T extends object
    ? { [K in keyof T]: Plain<T[K]> }
    : T;

it('the documented types are those that the builders of the schema give', () => {
  // The compiler decides: with any difference this line is a mistake of its own.
  const isEqual: IsEqual<Plain<GatewayConfig>, Plain<TypeOf<typeof CONFIG_SCHEMA>>> = true;
  expect(isEqual).toBe(true);
});
