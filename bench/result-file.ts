/**
 * What one run leaves behind: figures as JSON, and the same as a page beside it.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { GatewayBenchResult } from './gateway/gateway-bench.js';
import { renderHtmlReport } from './html-report.js';
import type { CodeBenchResult } from './support/code-bench.js';
import { type Environment, projectRoot } from './support/environment.js';

export interface ResultFile {
  readonly environment: Environment;
  readonly doubts: readonly string[];
  readonly size: 'smoke' | 'full';
  readonly failures: readonly string[];
  readonly benches?: readonly CodeBenchResult[];
  readonly gateway?: GatewayBenchResult | undefined;
}

export function readResultFile(path: string): ResultFile {
  const file = JSON.parse(readFileSync(path, 'utf8')) as Partial<ResultFile>;
  if (file.environment === undefined || file.size === undefined) {
    throw new Error(`${path} is no result of this bench`);
  }
  const isOld = file.gateway?.scenarios.some((one) => one.measures === undefined) ?? false;
  if (isOld) throw new Error(`${path} is from an older bench, whose figures had other names`);
  return { doubts: [], failures: [], ...file } as ResultFile;
}

/** Both paths, the JSON file's first. */
export function writeResultFile(result: ResultFile, path: string): [string, string] {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  // From what was written, so that the page is the one that the file gives later.
  return [path, writeHtmlReport(path)];
}

/** Makes the page of a JSON file anew and returns its path. */
export function writeHtmlReport(jsonPath: string): string {
  const path = `${jsonPath.replace(/\.json$/, '')}.html`;
  writeFileSync(path, renderHtmlReport(readResultFile(jsonPath)));
  return path;
}

/** `bench/results/<date>.json`. */
export function datedPath(): string {
  return resultPath(new Date().toISOString().slice(0, 19).replaceAll(':', '-'));
}

/** `bench/results/published-<name>.json`, which git does not ignore. */
export function publishedPath(name: string): string {
  return resultPath(`published-${name}`);
}

function resultPath(name: string): string {
  return join(projectRoot(), 'bench', 'results', `${name}.json`);
}
