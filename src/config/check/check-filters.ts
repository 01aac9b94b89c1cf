/**
 * Checks the filters of one route: addresses, origins, templates, and what excludes what.
 *
 * Thread: any (pure). Runs on the sound part of a configuration.
 */
import { type CorsConfig, originProblem } from '../../filters/cors/options.js';
import type { IpFilterConfig } from '../../filters/ip-filter/options.js';
import { type DeprecationConfig, parseDate } from '../../filters/versioning/options.js';
import { type PatternSegment, paramNames, stripPrefixProblem } from '../../routing/path-pattern.js';
import { ANSWER_KEYS } from '../compile/compile-answer.js';
import { checkValidation } from '../compile/compile-validation.js';
import type { RouteConfig } from '../gateway-config.js';
import { pointerOf } from '../source/config-pointer.js';
import { normalizeAddressRange } from './address-range.js';
import { checkRewrite } from './check-rewrite.js';
import type { SoundPart } from './check-shape.js';
import { checkTemplate } from './check-template.js';
import type { Findings } from './finding.js';

const REDIRECT_STATUSES = [301, 302, 303, 307, 308];
/** A path, or a URL whose host the configuration has chosen. */
const REDIRECT_TARGET = /^(?:https?:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?(?=\/|$)|\/(?!\/))/;

/** Checks the filters of the route at `pointer`. `segments`: of its path, if that is sound. */
export function checkFilters(
  route: SoundPart<RouteConfig>,
  pointer: string,
  context: { segments: readonly PatternSegment[] | undefined; findings: Findings },
): void {
  const { findings, segments } = context;
  checkIpFilter(route.ipFilter ?? {}, `${pointer}/ipFilter`, findings);
  checkCors(route.cors ?? {}, `${pointer}/cors`, findings);
  checkDeprecation(route.deprecation ?? {}, `${pointer}/deprecation`, findings);
  checkValidation(route.validation ?? {}, `${pointer}/validation`, findings);
  checkDestination(route, pointer, findings);
  // Those of a document's paths are many.
  const names = route.openapi === undefined ? parameterNames(segments) : undefined;
  const prefix = route.rewrite?.stripPrefix;
  if (prefix !== undefined && segments !== undefined) {
    const problem = stripPrefixProblem(prefix, segments);
    const at = `${pointer}/rewrite/stripPrefix`;
    if (problem !== undefined) findings.addValue(at, `${findings.quote(at, prefix)} ${problem}`);
  }
  checkRewrite(route, pointer, { names, findings });
  const { respond = {}, redirect = {} } = route;
  checkTemplate(respond.body, `${pointer}/respond/body`, { names, findings });
  for (const [name, text] of Object.entries(respond.headers ?? {})) {
    checkTemplate(text, pointer + pointerOf('respond', 'headers', name), { names, findings });
  }
  checkTemplate(redirect.to, `${pointer}/redirect/to`, { names, findings });
}

/** Names that `params.NAME` may have; undefined: the path has a mistake. */
function parameterNames(segments: readonly PatternSegment[] | undefined): string[] | undefined {
  return segments?.flatMap((segment) =>
    segment.kind === 'wildcard' ? ['*'] : paramNames(segment),
  );
}

/** Checks addresses and ranges. */
export function checkIpFilter(
  { allow = [], deny = [] }: SoundPart<IpFilterConfig>,
  pointer: string,
  findings: Findings,
): void {
  for (const [key, list] of Object.entries({ allow, deny })) {
    for (const [index, range] of list.entries()) {
      if (range === undefined) continue;
      const at = `${pointer}/${key}/${index}`;
      if (normalizeAddressRange(range) === undefined) {
        const quoted = findings.quote(at, range);
        findings.addValue(at, `must be an IP address or a CIDR range, not ${quoted}`);
      } else if (/^::ffff:/i.test(range)) {
        findings.addValue(at, 'IPv4 in IPv6 is compared as IPv4: write it so');
      }
    }
  }
}

/** Checks origins, and that not everybody may send credentials along. */
export function checkCors(
  { origins = [], credentials }: SoundPart<CorsConfig>,
  pointer: string,
  findings: Findings,
): void {
  for (const [index, origin] of origins.entries()) {
    if (origin === undefined) continue;
    const at = `${pointer}/origins/${index}`;
    const problem = originProblem(origin);
    if (problem !== undefined) findings.addValue(at, `${findings.quote(at, origin)} ${problem}`);
    if (origin === '*' && origins.length > 1) {
      findings.addValue(at, '"*" stands for all origins: it must stand alone');
    }
    if ((origin === '*' || origin === 'null') && credentials === true) {
      findings.addValue(at, `"${origin}" with credentials would let any page act for its visitor`);
    }
  }
}

function checkDeprecation(
  { since, sunset, link }: SoundPart<DeprecationConfig>,
  pointer: string,
  findings: Findings,
): void {
  for (const [key, date] of Object.entries({ since, sunset })) {
    if (date === undefined || parseDate(date) !== undefined) continue;
    findings.addValue(`${pointer}/${key}`, `there is no such date`);
  }
  if (link !== undefined && since === undefined && sunset === undefined) {
    findings.addKey(`${pointer}/link`, 'needs since or sunset beside it');
  }
  const [sinceMs, sunsetMs] = [parseDate(since ?? ''), parseDate(sunset ?? '')];
  if (sinceMs !== undefined && sunsetMs !== undefined && sunsetMs < sinceMs) {
    findings.addValue(`${pointer}/sunset`, 'must not be before since (RFC 9745)');
  }
}

/** A route has one of upstream, respond and redirect. */
function checkDestination(route: SoundPart<RouteConfig>, at: string, findings: Findings): void {
  const given = ANSWER_KEYS.filter((key) => {
    return route[key] !== undefined || findings.hasUnder(`${at}/${key}`);
  });
  // A mistyped key is told by itself, and may be the one that is missing.
  const isMistyped = findings.list.some((one) => {
    return one.pointer === at && one.message.startsWith('unknown key');
  });
  if (given.length === 0 && !isMistyped) {
    findings.addKey(at, 'missing key "upstream" (or "respond", "redirect" or "tokenService")');
  }
  for (const key of given.slice(1)) {
    findings.addKey(
      `${at}/${key}`,
      `a route has one of upstream, respond, redirect and tokenService`,
    );
  }
  if (given[0] === 'upstream' || given.length !== 1) return;
  for (const key of ['rateLimit', 'rewrite', 'rewriteReply', 'timeout'] as const) {
    if (route[key] !== undefined) findings.addKey(`${at}/${key}`, 'needs an upstream');
  }
  const { to, status } = route.redirect ?? {};
  if (status !== undefined && !REDIRECT_STATUSES.includes(status)) {
    findings.addValue(`${at}/redirect/status`, `must be one of ${REDIRECT_STATUSES.join(', ')}`);
  }
  if (to !== undefined && (!REDIRECT_TARGET.test(to) || /[^!-~]/.test(to))) {
    const expected = 'must be a path, or a URL whose host is written out';
    findings.addValue(`${at}/redirect/to`, expected);
  }
}
