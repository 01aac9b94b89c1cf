/**
 * Reads a configuration file: text, variables, environment, checks, and places for every mistake.
 *
 * Thread: loader. Runs once at start and again for each reload; synchronous, since nothing can go
 * on without it.
 */
import { readFileSync, statSync } from 'node:fs';
import { displayPath } from '../../base/json-pointer.js';
import { fileProblem } from '../../base/system-problem.js';
import type { CheckContext, Finding } from '../../schema/finding.js';
import type { CheckedConfig } from '../check/check-config.js';
import { retypeVariables } from '../check/check-shape.js';
import { ConfigError, type ConfigIssue } from '../check/config-error.js';
import { type ClusterObjects, type IngressReport, NO_OBJECTS } from '../kubernetes-settings.js';
import { resolveFiles } from '../references/document-file.js';
import { checkWithCluster } from './cluster-routes.js';
import { addDocument, type ConfigDocument } from './config-document.js';
import { applyEnvironment } from './environment-overrides.js';
import { dropExtensionKeys } from './extension-keys.js';
import { type WholeSource, withIncluded } from './included-files.js';
import { folderOf, pipedBytes } from './piped-file.js';
import type { Environment } from './variables.js';
import { readYaml, type ValuePlace, type ValuePlaces } from './yaml-source.js';

/** Ten thousand routes take a few MiB; a larger file is none that is meant to be read. */
export const FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Reads and checks a file. Throws {@link ConfigError} with everything that is wrong. */
export function loadConfigFile(file: string, environment: Environment): CheckedConfig {
  return loadConfigText(readConfigFile(file), { file, environment });
}

/** What a file becomes together with the objects of a cluster. */
export interface LoadedCluster {
  readonly config: CheckedConfig;
  /** null: the file asks for nothing of the kind. */
  readonly ingress: IngressReport | null;
}

/** Reads and checks a file, with routes for objects of a cluster. Throws {@link ConfigError}. */
export function loadClusterFile(
  file: string,
  environment: Environment,
  objects: ClusterObjects,
): LoadedCluster {
  const options = { file, environment, documents: [], folder: folderOf(file), objects };
  return loadWhole(readConfigFile(file), options);
}

/** Where documents of a store are put together, and with which file. */
export interface DocumentsOptions extends TextOptions {
  /** A file of this machine that stands above them; null: `file` is no more than a name. */
  readonly localFile: string | null;
}

/**
 * Checks documents of a store, together with the file of this machine where there is one. What
 * both have is a mistake of the document. Throws {@link ConfigError}.
 */
export function loadConfigDocuments(
  documents: readonly ConfigDocument[],
  { localFile, ...options }: DocumentsOptions,
): CheckedConfig {
  const text = localFile === null ? '{}' : readConfigFile(localFile);
  const folder = localFile === null ? '.' : folderOf(localFile);
  const whole = { ...options, file: localFile ?? options.file, documents, folder };
  return loadWhole(text, { ...whole, objects: NO_OBJECTS }).config;
}

/** What belongs to a text besides itself. */
export interface TextOptions {
  /** Name of the file for messages. */
  readonly file: string;
  readonly environment: Environment;
}

/** Checks the text of a configuration. Throws {@link ConfigError}. */
export function loadConfigText(text: string, options: TextOptions): CheckedConfig {
  const whole = { ...options, documents: [], folder: folderOf(options.file) };
  return loadWhole(text, { ...whole, objects: NO_OBJECTS }).config;
}

interface WholeOptions extends TextOptions {
  readonly documents: readonly ConfigDocument[];
  /** Names of files in the text and the documents are relative to it. */
  readonly folder: string;
  readonly objects: ClusterObjects;
}

function loadWhole(
  text: string,
  { file, environment, documents, folder, objects }: WholeOptions,
): LoadedCluster {
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) throw tooLarge(file);
  const main = readYaml(text, environment);
  if (main.value === undefined) throw new ConfigError(file, inFileOrder(main.issues));
  dropExtensionKeys(main.value);
  const source = withIncluded(main, file, (name) => readYaml(readConfigFile(name), environment));
  const { origins } = source;
  for (const document of documents) addDocument(source, document, { folder, environment });
  if (origins.hasVariables) {
    retypeVariables(source.value, (at) => origins.variableAt(at)?.isWhole === true);
  }
  resolveFiles(source.value, folder);
  const overrides = applyEnvironment(source.value, environment);
  const context: CheckContext = {
    // Overrides are ports and names: to say their values helps, and gives nothing away.
    variableAt: (pointer) =>
      overrides.has(pointer) ? undefined : origins.variableAt(pointer)?.name,
  };
  const { result, ingress } = checkWithCluster(source.value, objects, context);
  if (result.isValid && source.issues.length === 0) return { config: result.config, ingress };
  const findings = result.isValid || origins.isBroken('') ? [] : result.findings;
  const issues = findings
    .filter((finding) => !origins.isBroken(finding.place) || overrides.has(finding.place))
    .map((finding) => toIssue(finding, source, overrides));
  throw new ConfigError(file, inFileOrder([...source.issues, ...issues]));
}

function toIssue(
  finding: Finding,
  source: WholeSource,
  overrides: ReadonlyMap<string, string>,
): ConfigIssue {
  const { message } = finding;
  const variable = overrides.get(finding.place);
  if (variable !== undefined) return { path: variable, line: 0, column: 0, message };
  const place = nearestPlace(finding.place, source.origins);
  const isKey = finding.part === 'key';
  return {
    path: displayPath(finding.pointer),
    line: isKey ? place.keyLine : place.line,
    column: isKey ? place.keyColumn : place.column,
    message,
    ...(place.file !== undefined && { file: place.file }),
  };
}

/** The place of the value, or of what it would stand in when it is not in the file. */
function nearestPlace(pointer: string, places: ValuePlaces): IssuePlace {
  let at = pointer;
  for (;;) {
    const place = places.get(at);
    if (place !== undefined) return place;
    if (at === '') return ROOT_PLACE;
    at = at.slice(0, at.lastIndexOf('/'));
  }
}

type IssuePlace = Pick<ValuePlace, 'line' | 'column' | 'keyLine' | 'keyColumn' | 'file'>;

const ROOT_PLACE: IssuePlace = {
  line: 1,
  column: 1,
  keyLine: 1,
  keyColumn: 1,
  file: undefined,
};

function inFileOrder(issues: readonly ConfigIssue[]): ConfigIssue[] {
  return [...issues].sort(
    (left, right) =>
      compareText(left.file ?? '', right.file ?? '') ||
      left.line - right.line ||
      left.column - right.column,
  );
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function readConfigFile(file: string): string {
  const bytes = pipedBytes(file) ?? readRegularFile(file);
  if (bytes.length > FILE_BYTES_MAX) throw tooLarge(file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw unreadable(file, 'it is not UTF-8 text');
  }
}

function readRegularFile(file: string): Uint8Array {
  try {
    const status = statSync(file);
    // A directory or a device would fail later with a message about something else.
    if (!status.isFile()) throw unreadable(file, 'it is not a regular file');
    if (status.size > FILE_BYTES_MAX) throw tooLarge(file);
    return readFileSync(file);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw unreadable(file, fileProblem(error));
  }
}

function unreadable(file: string, reason: string): ConfigError {
  const message = `the file cannot be read: ${reason}`;
  return new ConfigError(file, [{ path: '', line: 0, column: 0, message }]);
}

function tooLarge(file: string): ConfigError {
  return unreadable(file, `it is larger than ${FILE_BYTES_MAX / 2 ** 20} MiB`);
}
