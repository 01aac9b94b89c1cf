/**
 * Files that a configuration names: schemas and OpenAPI documents, in JSON or YAML.
 *
 * Thread: loader. Read when the configuration is, and again with each reload.
 */

import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileProblem } from '../../base/system-problem.js';
import { noteFile } from './files-read.js';
import { isPem } from './tls-material.js';
import { yamlLibrary } from './yaml-library.js';

/** Larger than any document that a person maintains. */
const FILE_BYTES_MAX = 32 * 1024 * 1024;

/** The content of a file, or why there is none. */
export type Document =
  | { readonly isValid: true; readonly value: unknown }
  | { readonly isValid: false; readonly problem: string };

/** Reads a document; relative names are looked up from the working directory. */
export function readDocument(file: string): Document {
  noteFile(file);
  try {
    const status = statSync(file);
    if (!status.isFile()) return broken(`${file} is no regular file`);
    if (status.size > FILE_BYTES_MAX) return broken(`${file} is larger than 32 MiB`);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
    // YAML takes JSON too, but needs ten times as long.
    const value: unknown = file.endsWith('.json')
      ? JSON.parse(text)
      : yamlLibrary().parse(text, { maxAliasCount: 100, prettyErrors: false, stringKeys: true });
    return { isValid: true, value };
  } catch (error) {
    return broken(`${file} cannot be read: ${fileProblem(error)}`);
  }
}

function broken(problem: string): Document {
  return { isValid: false, problem };
}

/** Members of a route's `validation` that may name a file. */
const SCHEMA_MEMBERS = ['body', 'query', 'params', 'headers'];

/** The names of all files in a configuration, as they were written. */
export function filesNamedIn(config: unknown): readonly string[] {
  const names: string[] = [];
  eachFile(config, (name) => {
    names.push(name);
    return name;
  });
  return names;
}

/** Makes names of files in a configuration absolute: they are relative to it. Changes `config`. */
export function resolveFiles(config: unknown, folder: string): void {
  eachFile(config, (name) => resolve(folder, name));
}

/** Returns what the name of a file is replaced by. */
type FileUse = (name: string) => string;

function eachFile(config: unknown, use: FileUse): void {
  const authenticators = memberOf(config, 'authenticators');
  for (const authenticator of Object.values(authenticators ?? {})) {
    resolveMember(authenticator, 'secretFile', use);
    resolveMember(authenticator, 'publicKeyFile', use);
    const keys = memberOf(authenticator, 'keys');
    for (const key of Array.isArray(keys) ? keys : []) resolveMember(key, 'publicKeyFile', use);
  }
  resolveMember(config, 'stateDir', use);
  resolveErrorFiles(config, use);
  const listen = memberOf(config, 'listen');
  for (const one of Array.isArray(listen) ? listen : [listen]) {
    resolveTlsFiles(memberOf(one, 'tls'), use);
  }
  for (const upstream of Object.values(memberOf(config, 'upstreams') ?? {})) {
    resolveTargetTls(upstream, use);
    const targets = memberOf(upstream, 'targets');
    if (Array.isArray(targets)) for (const target of targets) resolveTargetTls(target, use);
  }
  const plugins = memberOf(config, 'plugins');
  for (const plugin of Array.isArray(plugins) ? plugins : []) {
    const file = memberOf(plugin, 'file');
    if (typeof file === 'string' && !file.startsWith('file:')) resolveMember(plugin, 'file', use);
  }
  const routes = memberOf(config, 'routes');
  if (!Array.isArray(routes)) return;
  for (const route of routes) {
    resolveMember(memberOf(route, 'grpcJson'), 'descriptors', use);
    resolveMember(route, 'openapi', use);
    resolveMember(memberOf(route, 'openapi'), 'file', use);
    const validation = memberOf(route, 'validation');
    for (const name of SCHEMA_MEMBERS) resolveMember(validation, name, use);
    resolveErrorFiles(route, use);
  }
}

function resolveErrorFiles(owner: unknown, use: FileUse): void {
  for (const bodies of Object.values(memberOf(owner, 'errors') ?? {})) {
    for (const type of ['html', 'json', 'text']) {
      resolveMember(memberOf(bodies, type), 'file', use);
    }
  }
}

function resolveTlsFiles(tls: unknown, use: FileUse): void {
  const certificates = memberOf(tls, 'certificates');
  for (const one of Array.isArray(certificates) ? certificates : []) {
    for (const name of ['cert', 'key', 'ocsp']) resolveMember(one, name, use);
  }
  for (const name of ['ca', 'crl']) {
    resolveMember(memberOf(tls, 'clientCertificates'), name, use);
  }
  resolveMember(memberOf(tls, 'tickets'), 'file', use);
  resolveMember(memberOf(tls, 'acme'), 'directoryCa', use);
}

function resolveTargetTls(owner: unknown, use: FileUse): void {
  const tls = memberOf(owner, 'tls');
  for (const name of ['ca', 'cert', 'key']) {
    const value = memberOf(tls, name);
    if (typeof value === 'string' && !isPem(value)) resolveMember(tls, name, use);
  }
}

function resolveMember(parent: unknown, name: string, use: FileUse): void {
  const value = memberOf(parent, name);
  if (typeof value === 'string' && value !== '') {
    Reflect.set(parent as object, name, use(value));
  }
}

function memberOf(parent: unknown, name: string): unknown {
  return typeof parent === 'object' && parent !== null ? Reflect.get(parent, name) : undefined;
}
