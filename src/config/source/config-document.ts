/**
 * A document out of a store of configurations: a release, which is a whole configuration, or the
 * part of a team, which has routes, upstreams and authenticators with names of that team.
 *
 * Thread: any (pure).
 */
import { displayPath } from '../../base/json-pointer.js';
import type { ConfigIssue } from '../check/config-error.js';
import { filesNamedIn } from '../references/document-file.js';
import { addPart, type WholeSource } from './included-files.js';
import type { Environment } from './variables.js';
import { readYaml, type YamlSource } from './yaml-source.js';

/** What a store lets grow up to; more is refused before it is sent. */
export const DOCUMENT_BYTES_MAX = 512 * 1024;

export interface ConfigDocument {
  /** Where it stands, for messages: `etcd://host/prefix/releases/ID`. */
  readonly name: string;
  /** As it was written, with its variables unresolved. */
  readonly text: string;
  /** '': a release. */
  readonly team: string;
}

/** What its names begin with: no other team has the same, since teams have no "-" in theirs. */
function teamPrefix(team: string): string {
  return `${team}-`;
}

/** What a team may be called, so that it can begin names of every kind. */
export const TEAM_NAME = /^[a-z][a-z0-9]{0,31}$/;

/**
 * What the variables begin with that a team may name. Who may write a part is not one who may read
 * the environment of the gateway.
 */
function variablePrefix(team: string): string {
  return `${team.toUpperCase()}_`;
}

/** Adds a document to the whole; what is wrong with it becomes an issue that names it. */
export function addDocument(
  whole: WholeSource,
  { name, text, team }: ConfigDocument,
  { folder, environment }: { readonly folder: string; readonly environment: Environment },
): void {
  if (Buffer.byteLength(text) > DOCUMENT_BYTES_MAX) {
    const message = `is larger than ${DOCUMENT_BYTES_MAX / 1024} KiB`;
    whole.issues.push({ path: '', line: 1, column: 1, message, file: name });
    return;
  }
  const source = readYaml(text, team === '' ? environment : ofTeam(environment, team));
  if (team !== '') {
    whole.issues.push(...namesOfOthers(source, name, teamPrefix(team)));
    whole.issues.push(...filesOf(source, name));
  }
  addPart(whole, { name, folder, source, mayHoldAll: team === '' });
}

function ofTeam(environment: Environment, team: string): Environment {
  const prefix = variablePrefix(team);
  return Object.fromEntries(Object.entries(environment).filter(([key]) => key.startsWith(prefix)));
}

/** A page of errors could be any file that the gateway may read. */
function filesOf({ value }: YamlSource, file: string): ConfigIssue[] {
  return filesNamedIn(value).map((name) => {
    const message = `names the file ${JSON.stringify(name)}: parts of teams name no files`;
    return { path: '', line: 1, column: 1, message, file };
  });
}

/** Names in the part of a team that are not its own. */
function namesOfOthers(source: YamlSource, file: string, prefix: string): ConfigIssue[] {
  const { value } = source;
  if (typeof value !== 'object' || value === null) return [];
  const { routes, upstreams, authenticators } = value as Record<string, unknown>;
  const names: [pointer: string, name: string][] = [];
  for (const [kind, map] of Object.entries({ upstreams, authenticators })) {
    if (typeof map !== 'object' || map === null) continue;
    for (const name of Object.keys(map)) names.push([`/${kind}/${name}`, name]);
  }
  if (Array.isArray(routes)) {
    for (const [index, route] of routes.entries()) {
      const name: unknown = route?.name;
      if (typeof name === 'string') names.push([`/routes/${index}/name`, name]);
    }
  }
  return names
    .filter(([, name]) => !name.startsWith(prefix))
    .map(([pointer, name]) => {
      const { keyLine: line = 1, keyColumn: column = 1 } = source.places.get(pointer) ?? {};
      const message = `${JSON.stringify(name)} must begin with ${JSON.stringify(prefix)}`;
      return { path: displayPath(pointer), line, column, message, file };
    });
}
