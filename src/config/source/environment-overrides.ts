/**
 * Environment variables that stand above the file.
 *
 * Thread: any (pure). They are put into the data before it is checked, so that the schema is the
 * only judge of what is right.
 */
import { isObject } from '../../base/json-object.js';
import { pointerKeys } from '../../base/json-pointer.js';
import type { Environment } from './variables.js';

interface Override {
  readonly variable: string;
  /** `listen` stands for its first listener where it is a list. */
  readonly pointer: string;
  readonly isNumber: boolean;
}

const ENGINE = '/listen/engine';

const OVERRIDES: readonly Override[] = [
  { variable: 'GATEWAY_WORKERS', pointer: '/workers', isNumber: true },
  { variable: 'GATEWAY_ACCEPTORS', pointer: '/acceptors', isNumber: true },
  { variable: 'GATEWAY_HOST', pointer: '/listen/host', isNumber: false },
  { variable: 'GATEWAY_PORT', pointer: '/listen/port', isNumber: true },
  { variable: 'GATEWAY_ENGINE', pointer: ENGINE, isNumber: false },
  { variable: 'GATEWAY_ADMIN_HOST', pointer: '/admin/host', isNumber: false },
  { variable: 'GATEWAY_ADMIN_PORT', pointer: '/admin/port', isNumber: true },
  { variable: 'GATEWAY_LOG_LEVEL', pointer: '/logging/level', isNumber: false },
];

/**
 * Puts the overrides into `value`, in place. An empty variable counts as not set, as compose
 * files and shells leave them so. Returns the variable's name by the pointer it was put to.
 */
export function applyEnvironment(
  value: unknown,
  environment: Environment,
): ReadonlyMap<string, string> {
  const applied = new Map<string, string>();
  for (const { variable, pointer, isNumber } of OVERRIDES) {
    const text = environment[variable];
    if (text === undefined || text === '') continue;
    // What is no number stays text: the schema then says what is wrong with it.
    const typed = isNumber && /^-?\d{1,15}$/.test(text) ? Number(text) : text;
    for (const at of placesOf(value, pointer)) {
      if (putAt(value, at, typed)) applied.set(at, variable);
    }
  }
  return applied;
}

/** Where a variable goes: addresses to the first listener, the engine to each of them. */
function placesOf(value: unknown, pointer: string): readonly string[] {
  const [, key = '', field = ''] = pointer.split('/');
  const list: unknown = isObject(value) ? value[key] : undefined;
  if (!Array.isArray(list) || list.length === 0) return [pointer];
  const places = pointer === ENGINE ? [...list.keys()] : [0];
  return places.map((place) => `/${key}/${place}/${field}`);
}

/** False when the file has something other than an object on the way, which is its own error. */
function putAt(root: unknown, pointer: string, value: unknown): boolean {
  const keys = pointerKeys(pointer);
  const last = keys.pop();
  let parent: unknown = root;
  for (const key of keys) {
    if (Array.isArray(parent)) parent = parent[Number(key)];
    else if (isObject(parent)) {
      parent[key] ??= {};
      parent = parent[key];
    } else return false;
  }
  if (!isObject(parent) || last === undefined) return false;
  parent[last] = value;
  return true;
}
