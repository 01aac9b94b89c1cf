/**
 * The differences between two configurations, in the words of the file.
 *
 * Thread: any (pure). Routes go by their names, whatever their order; secrets are compared and not
 * shown.
 */
import type { GatewayConfig } from '../gateway-config.js';
import { MASK, maskSecrets } from './mask-secrets.js';

export interface ConfigChange {
  /** `routes`, `upstreams`, `authenticators`, or `settings` for everything else. */
  readonly section: 'routes' | 'upstreams' | 'authenticators' | 'settings';
  /** The name of the route, upstream or authenticator; of a setting its key. */
  readonly name: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** Of a change: `rateLimit.limit: 10 -> 20`, one for each value. */
  readonly details: readonly string[];
}

/** Longer values are not told in full. */
const VALUE_CHARS_MAX = 60;

/** All changes; empty: both say the same. */
export function diffConfigs(before: GatewayConfig, after: GatewayConfig): ConfigChange[] {
  const [old, now] = [sectionsOf(before), sectionsOf(after)];
  return SECTIONS.flatMap((section) => diffSection(section, old[section], now[section]));
}

/** One line a change: `~ routes.users: rateLimit.limit: 10 -> 20`. */
export function formatChange({ section, name, kind, details }: ConfigChange): string {
  const sign = { added: '+', removed: '-', changed: '~' }[kind];
  const more = details.length === 0 ? '' : `: ${details.join(', ')}`;
  return `${sign} ${section}.${name}${more}`;
}

type Section = ConfigChange['section'];

const SECTIONS: readonly Section[] = ['routes', 'upstreams', 'authenticators', 'settings'];

/** A part as it is, to compare, and as it may be shown. */
interface Part {
  readonly actual: unknown;
  readonly shown: unknown;
}

type Parts = ReadonlyMap<string, Part>;

function sectionsOf(config: GatewayConfig): Readonly<Record<Section, Parts>> {
  const shown = maskSecrets(config) as Readonly<Record<string, unknown>>;
  const { routes, upstreams, authenticators, ...settings } = config;
  const shownRoutes = shown['routes'] as readonly unknown[];
  return {
    routes: new Map(
      routes.map((route, at) => [route.name, { actual: route, shown: shownRoutes[at] }]),
    ),
    upstreams: partsOf(upstreams, shown['upstreams']),
    authenticators: partsOf(authenticators, shown['authenticators']),
    settings: partsOf(settings, shown),
  };
}

function partsOf(actual: object | undefined, shown: unknown): Parts {
  const entries = Object.entries(actual ?? {});
  return new Map(entries.map(([name, part]) => [name, { actual: part, shown: at(shown, name) }]));
}

function diffSection(section: Section, before: Parts, after: Parts): ConfigChange[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].flatMap((name): ConfigChange[] => {
    const [old, now] = [before.get(name), after.get(name)];
    if (old === undefined) return [{ section, name, kind: 'added', details: [] }];
    if (now === undefined) return [{ section, name, kind: 'removed', details: [] }];
    const details = diffValues('', old, now);
    return details.length === 0 ? [] : [{ section, name, kind: 'changed', details }];
  });
}

function diffValues(path: string, before: Part, after: Part): string[] {
  if (isTree(before.actual) && isTree(after.actual)) {
    const keys = new Set([...Object.keys(before.actual), ...Object.keys(after.actual)]);
    const isList = Array.isArray(before.actual) && Array.isArray(after.actual);
    return [...keys].flatMap((key) =>
      diffValues(childPath(path, key, isList), partAt(before, key), partAt(after, key)),
    );
  }
  if (JSON.stringify(before.actual) === JSON.stringify(after.actual)) return [];
  return [`${path === '' ? '' : `${path}: `}${show(before.shown)} -> ${show(after.shown)}`];
}

function partAt({ actual, shown }: Part, key: string): Part {
  return { actual: at(actual, key), shown: shown === MASK ? MASK : at(shown, key) };
}

function at(value: unknown, key: string): unknown {
  return isTree(value) && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
}

function isTree(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function childPath(path: string, key: string, isIndex: boolean): string {
  if (isIndex) return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}

function show(value: unknown): string {
  if (value === undefined) return '(none)';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text;
}
