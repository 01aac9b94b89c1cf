/**
 * Which version of the API a request asks for.
 *
 * Thread: worker. What could be read in two ways is refused: routes of two versions may ask for
 * different callers.
 */
import { PROBLEMS } from '../../base/problems.js';
import type { RequestView } from '../filter.js';
import { type LocalReply, refusal } from '../local-reply.js';
import type { CompiledVersioning } from './options.js';

/** Picks one of a path's routes, by version. */
export type VersionChooser = (
  request: RequestView,
  routes: ReadonlyMap<string, number>,
) => number | LocalReply;

/** For versions in fields; those in paths are routes of their own. */
export function versionChooser(options: CompiledVersioning): VersionChooser {
  const read = options.by === 'mediaType' ? readMediaTypes : fieldReader(options.header);
  return (request, routes) => {
    const asked = read(request);
    for (const version of asked.length === 0 ? [options.default] : asked) {
      const index = routes.get(version);
      if (index !== undefined) return index;
    }
    const known = [...routes.keys()].join(', ');
    const detail =
      asked.length === 0
        ? `Say which version you mean; there are: ${known}.`
        : `There is no such version; there are: ${known}.`;
    return refusal(PROBLEMS.versionUnknown, detail);
  };
}

type VersionReader = (request: RequestView) => readonly string[];

/** A value of several fields, or with a comma, is the name of no version. */
function fieldReader(header: string): VersionReader {
  return ({ fields }) => {
    const values = fields.values(header);
    return values.length === 0 ? [] : [values.join(',').trim()];
  };
}

/** All versions that Accept names, in its order. */
function readMediaTypes({ fields }: RequestView): string[] {
  const versions: string[] = [];
  for (const range of fields.values('accept').join(',').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const parameter = parameters.find((one) => one.startsWith('version='));
    const version =
      parameter === undefined
        ? versionInSubtype(type)
        : parameter.slice('version='.length).replace(/^"(.*)"$/, '$1');
    if (version !== undefined) versions.push(version);
  }
  return versions;
}

/** `2` of `application/vnd.shop.v2+json`. */
function versionInSubtype(type: string): string | undefined {
  const [, subtype = ''] = /^[a-z]+\/([a-z0-9.-]+)(?:\+[a-z]+)?$/.exec(type) ?? [];
  const mark = subtype.indexOf('.v', 1);
  return mark === -1 ? undefined : subtype.slice(mark + 2) || undefined;
}
