/**
 * Targets from a file, JSON or YAML, that is read again when it changes.
 *
 * Thread: supervisor (on the main thread). Owns what the file said when it was last read. The
 * file's times are read twice a second, as those of the configuration are; a change counts once the
 * file stayed the same from one look to the next, so that none is read half written.
 */
import { readFile, stat } from 'node:fs/promises';
import { stampOf } from '../../config/references/files-read.js';
import { NOT_PLAIN, readPlainYaml } from '../../config/source/plain-yaml.js';
import type { FoundTarget } from './address-source.js';
import type { Answer } from './asked-source.js';
import { readTargetList } from './read-target-list.js';

export const LOOK_MS = 500;

/** How long a file that has changed must stay the same. */
const REST_MS = 100;

const FILE_BYTES_MAX = 4 * 1024 * 1024;
const PLAIN_BOUNDS = { depthMax: 20, valuesMax: 100_000 };

export class TargetFile {
  private found: readonly FoundTarget[] | null = null;
  private readStamp = '';
  private seenStamp = '';

  constructor(private readonly path: string) {}

  /** Rejects when the file cannot be read, or is no list of targets. */
  async ask(): Promise<Answer> {
    const stats = await stat(this.path).catch((error: Error & { readonly code?: string }) => {
      throw new Error(error.code ?? 'cannot be looked at');
    });
    const stamp = stampOf(stats);
    const isAtRest = stamp === this.seenStamp || this.seenStamp === '';
    this.seenStamp = stamp;
    if (this.found === null || (isAtRest && stamp !== this.readStamp)) {
      if (stats.size > FILE_BYTES_MAX) throw new Error(`is longer than ${FILE_BYTES_MAX} bytes`);
      const text = await readFile(this.path, 'utf8');
      this.found = readTargetList(await parse(text));
      this.readStamp = stamp;
    }
    return { found: this.found, nextMs: stamp === this.readStamp ? LOOK_MS : REST_MS };
  }
}

async function parse(text: string): Promise<unknown> {
  if (/^\s*[[{]/.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      // YAML in braces.
    }
  }
  const plain = readPlainYaml(text, PLAIN_BOUNDS);
  if (plain !== NOT_PLAIN) return plain;
  // Loaded when somebody writes YAML that is more than lists and maps.
  const { parse: parseYaml } = await import('yaml');
  try {
    return parseYaml(text, { maxAliasCount: 0 });
  } catch (error) {
    const [line = 'is no YAML'] = String(error instanceof Error ? error.message : error).split(
      '\n',
    );
    throw new Error(line);
  }
}
