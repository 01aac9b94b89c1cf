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

/** `pointer`: of the key `errors`. */
export function checkErrors(errors: SoundErrors, pointer: string, findings: Findings): void {
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
      const problem = problemOf(read.text, type);
      if (problem !== '') findings.addValue(at, problem);
    }
  }
}

/** Pages for replies of targets are those of `errors`: of the route, or of the whole gateway. */
export function checkUpstreamErrors(config: SoundPart<GatewayConfig>, findings: Findings): void {
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
