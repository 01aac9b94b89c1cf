/**
 * Reads a list of targets out of a document: a file, or what a server answers.
 *
 * Thread: supervisor (on the main thread). Pure. A list that cannot be read as a whole is no list:
 * targets must not be lost because of one that is misspelt.
 *
 *     "host:port"
 *     { host, port, weight?, backup?, name? }
 *     { targets: ["host:port", …], labels?: { weight?, backup?, name? } }     as Prometheus has it
 */
import { isIP } from 'node:net';
import { isObject } from '../../base/json-object.js';
import { SLOT_TEXT_MAX } from '../../channel/coordinator/target-slots.js';
import type { FoundTarget } from './address-source.js';

const NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$/;
const WEIGHT_MAX = 1000;
const LIST_MAX = 10_000;

interface Described {
  readonly weight: number;
  readonly isBackup: boolean;
  /** '': the host itself. */
  readonly name: string;
}

/** Throws an Error that says which entry is wrong. */
export function readTargetList(document: unknown): FoundTarget[] {
  const list = isObject(document) ? document['targets'] : document;
  if (!Array.isArray(list)) throw new Error('must be a list of targets');
  const found = list.flatMap((entry: unknown, at) => readEntry(entry, `entry ${at + 1}`));
  if (found.length > LIST_MAX) throw new Error(`has more than ${LIST_MAX} targets`);
  return found;
}

/** An address and a port as one text; IPv6 in brackets. */
function readHostPort(text: string, where: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) throw new Error(`${where}: must be host:port, not ${quoted(text)}`);
  return { host: readHost(match[1] ?? match[2], where), port: readPort(Number(match[3]), where) };
}

/** An address, or a name in lower case without the dot of the root. */
export function readHost(value: unknown, where: string): string {
  if (typeof value !== 'string') throw new Error(`${where}: has no host`);
  if (isIP(value) !== 0 && !value.includes('%')) {
    return new URL(`http://${isIP(value) === 6 ? `[${value}]` : value}`).hostname.replace(
      /^\[|\]$/g,
      '',
    );
  }
  if (value.length > SLOT_TEXT_MAX || !NAME.test(value)) {
    throw new Error(`${where}: ${quoted(value)} is no host`);
  }
  return value.replace(/\.$/, '').toLowerCase();
}

export function readPort(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536) {
    return value;
  }
  throw new Error(`${where}: has no port from 1 to 65535`);
}

function readEntry(entry: unknown, where: string): FoundTarget[] {
  if (typeof entry === 'string') return [targetOf(readHostPort(entry, where), describe({}, where))];
  if (!isObject(entry)) throw new Error(`${where}: must be a text or an object`);
  const { targets } = entry;
  if (targets === undefined) {
    const host = readHost(entry['host'], where);
    return [targetOf({ host, port: readPort(entry['port'], where) }, describe(entry, where))];
  }
  if (!Array.isArray(targets)) throw new Error(`${where}: targets must be a list`);
  const labels = entry['labels'] ?? {};
  if (!isObject(labels)) throw new Error(`${where}: labels must be an object`);
  const described = describe(labels, where);
  return targets.map((target: unknown) => {
    if (typeof target !== 'string') throw new Error(`${where}: targets must be texts`);
    return targetOf(readHostPort(target, where), described);
  });
}

function targetOf(address: { host: string; port: number }, described: Described): FoundTarget {
  const { weight, isBackup, name } = described;
  return { ...address, name: name === '' ? address.host : name, weight, isBackup };
}

/** A weight of a registry, brought into the range of targets. */
export function weightIn(value: unknown): number {
  const weight = Number(value ?? 1);
  return Number.isFinite(weight) ? Math.min(WEIGHT_MAX, Math.max(1, Math.round(weight))) : 1;
}

/** Labels of Prometheus are texts. */
function describe(labels: Readonly<Record<string, unknown>>, where: string): Described {
  const weight = Number(labels['weight'] ?? 1);
  if (!Number.isInteger(weight) || weight < 1 || weight > WEIGHT_MAX) {
    throw new Error(`${where}: weight must be an integer from 1 to ${WEIGHT_MAX}`);
  }
  const backup = String(labels['backup'] ?? false);
  if (backup !== 'true' && backup !== 'false') {
    throw new Error(`${where}: backup must be true or false`);
  }
  const name = labels['name'] === undefined ? '' : readHost(labels['name'], where);
  return { weight, isBackup: backup === 'true', name };
}

/** What others write goes into the log: not all of it. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
