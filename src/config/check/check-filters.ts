/**
 * Checks the filters, and what a route does with a request in the end.
 *
 * Thread: any (pure). Runs on the sound part of a configuration.
 */
import { FILTERS } from '../../filters/catalog.js';
import type { CheckPlace } from '../../filters/filter-options.js';
import { keysOf } from '../../filters/filter-options.js';
import { checkFixedReply } from '../../filters/fixed-reply/options.js';
import { type PatternSegment, paramNames } from '../../routing/path-pattern.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { GatewayConfig, RouteConfig } from '../gateway-config.js';
import { readDocument } from '../references/document-file.js';

/** Keys of a route that say who answers it: a route has exactly one of them. */
const ANSWER_KEYS = [
  'upstream',
  'upstreams',
  'respond',
  'redirect',
  'tokenService',
  'login',
] as const;

/** Checks the filters of the whole gateway. */
export function checkGatewayFilters(config: SoundPart<GatewayConfig>, findings: Findings): void {
  const place = { pointer: '', segments: undefined, names: undefined, findings, readDocument };
  for (const { options } of FILTERS) options.check(keysOf(options.gateway, config), place);
}

/** Checks the filters of the route at `pointer`. `segments`: of its path, if that is sound. */
export function checkFilters(
  route: SoundPart<RouteConfig>,
  pointer: string,
  context: { segments: readonly PatternSegment[] | undefined; findings: Findings },
): void {
  const { findings, segments } = context;
  // The parameters of a document's paths are those of many routes.
  const names = route.openapi === undefined ? parameterNames(segments) : undefined;
  const place: CheckPlace = { pointer, segments, names, findings, readDocument };
  for (const { options } of FILTERS) options.check(keysOf(options.route, route), place);
  checkFixedReply(route, pointer, place);
  checkDestination(route, pointer, findings);
}

/** Names that `params.NAME` may have; undefined: the path has a mistake. */
function parameterNames(segments: readonly PatternSegment[] | undefined): string[] | undefined {
  return segments?.flatMap((segment) =>
    segment.kind === 'wildcard' ? ['*'] : paramNames(segment),
  );
}

/** A route has one of ANSWER_KEYS. */
function checkDestination(route: SoundPart<RouteConfig>, at: string, findings: Findings): void {
  const given = ANSWER_KEYS.filter((key) => {
    return route[key] !== undefined || findings.hasUnder(`${at}/${key}`);
  });
  // A mistyped key is told by itself, and may be the one that is missing.
  const isMistyped = findings.list.some((one) => {
    return one.pointer === at && one.message.startsWith('unknown key');
  });
  if (given.length === 0 && !isMistyped) {
    findings.addKey(
      at,
      'missing key "upstream" (or "upstreams", "respond", "redirect", "tokenService" or "login")',
    );
  }
  for (const key of given.slice(1)) {
    findings.addKey(
      `${at}/${key}`,
      `a route has one of upstream, upstreams, respond, redirect, tokenService and login`,
    );
  }
  const [answer] = given;
  if (answer === 'upstream' || answer === 'upstreams' || given.length !== 1) return;
  for (const key of ['rewrite', 'rewriteReply', 'timeout'] as const) {
    if (route[key] !== undefined) findings.addKey(`${at}/${key}`, 'needs an upstream');
  }
}
