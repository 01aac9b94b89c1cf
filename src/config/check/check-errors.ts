/**
 * Checks bodies of refusals: that files are there, and what stands in texts.
 *
 * Thread: any (pure) but for the files that it reads. Runs on the sound part of a configuration.
 */
import {
  ERROR_BODY_TYPES,
  ERROR_PLACEHOLDERS,
  filledIn,
  unknownPlaceholder,
} from '../../base/error-pages.js';
import { pointerOf } from '../../base/json-pointer.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { GatewayConfig } from '../gateway-config.js';
import { readErrorBody } from '../references/error-body.js';

type SoundErrors = SoundPart<GatewayConfig>['errors'];

/** Of all texts together, equal ones counted once: every thread has them. */
const TEXTS_BYTES_MAX = 4 * 1024 * 1024;

/** The texts of one configuration, as far as they were checked. */
class ErrorTextSum {
  private readonly texts = new Set<string>();
  private bytes = 0;

  /** False: there is no room for this text any more. */
  tryAdd(text: string): boolean {
    if (this.texts.has(text)) return true;
    const bytes = Buffer.byteLength(text);
    if (this.bytes + bytes > TEXTS_BYTES_MAX) return false;
    this.texts.add(text);
    this.bytes += bytes;
    return true;
  }
}

interface ErrorParts {
  readonly findings: Findings;
  readonly sum: ErrorTextSum;
}

/** Bodies of refusals of the gateway and of all routes, and where they replace those of targets. */
export function checkErrors(config: SoundPart<GatewayConfig>, findings: Findings): void {
  const parts = { findings, sum: new ErrorTextSum() };
  checkBodies(config.errors, pointerOf('errors'), parts);
  for (const [index, route] of (config.routes ?? []).entries()) {
    checkBodies(route?.errors, pointerOf('routes', index, 'errors'), parts);
  }
  checkUpstreamErrors(config, findings);
}

/** `pointer`: of the key `errors`. */
function checkBodies(errors: SoundErrors, pointer: string, { findings, sum }: ErrorParts): void {
  for (const [status, bodies] of Object.entries(errors ?? {})) {
    for (const type of ERROR_BODY_TYPES) {
      const body = bodies?.[type];
      if (body === undefined) continue;
      const isFile = typeof body !== 'string';
      const at = pointer + pointerOf(status, type, ...(isFile ? ['file'] : []));
      const read = readErrorBody(isFile ? { file: body.file ?? '' } : body);
      if ('problem' in read) {
        if (!isFile || body.file !== undefined) findings.addValue(at, read.problem);
        continue;
      }
      const problem = sum.tryAdd(read.text)
        ? problemOf(read.text, type)
        : 'with this text all texts of errors together have more than 4 MiB';
      if (problem !== '') findings.addValue(at, problem);
    }
  }
}

/** Pages for replies of targets are those of `errors`: of the route, or of the whole gateway. */
function checkUpstreamErrors(config: SoundPart<GatewayConfig>, findings: Findings): void {
  const say = (pointer: string): void => {
    findings.addKey(pointer, 'needs errors: there is nothing to replace a body by');
  };
  if (config.errors !== undefined || findings.hasUnder('/errors')) return;
  const isWanted = (statuses: readonly unknown[] | undefined): boolean =>
    statuses !== undefined && statuses.length > 0;
  const routes = config.routes ?? [];
  const hasBodies = routes.some((route) => route?.errors !== undefined);
  if (isWanted(config.upstreamErrors) && !hasBodies) say(pointerOf('upstreamErrors'));
  for (const [index, route] of routes.entries()) {
    const pointer = pointerOf('routes', index);
    if (route?.errors !== undefined || findings.hasUnder(`${pointer}/errors`)) continue;
    if (isWanted(route?.upstreamErrors)) say(`${pointer}/upstreamErrors`);
  }
}

function problemOf(text: string, type: string): string {
  const unknown = unknownPlaceholder(text);
  if (unknown !== undefined) {
    return `{{${unknown}}} is no value of a refusal: take ${ERROR_PLACEHOLDERS.join(', ')}`;
  }
  if (type !== 'json') return '';
  try {
    JSON.parse(filledIn(text));
    return '';
  } catch {
    return 'is no JSON once its placeholders are filled in; texts need quotes around them';
  }
}
