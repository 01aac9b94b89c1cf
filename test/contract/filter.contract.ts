/**
 * What every filter must do, whatever else it does.
 *
 * `describeFilter` runs the contract for one filter: a route with it, a request that it lets
 * through, one that it refuses (where it can), and steps that are made to throw.
 */
import { describe, expect, it } from 'vitest';
import { field, joinFields } from '../../src/base/field-block.js';
import type { CompiledFilters } from '../../src/filters/catalog.js';
import { CollectedBody } from '../../src/filters/collected-body.js';
import type { EditableRequest, StepResult } from '../../src/filters/filter.js';
import { ReplyHead } from '../../src/filters/reply-head.js';
import { partsFor, type RouteFilters } from '../../src/worker/route/route-filters.js';
import { aRequest, type RequestWish } from '../support/filter-request.js';

export interface FilterCase {
  readonly name: string;
  readonly filters: CompiledFilters;
  readonly accepted: RequestWish;
  /** Absent: it refuses nobody. */
  readonly refused?: RequestWish;
}

type Compile = (filters: CompiledFilters) => RouteFilters;

/** Leads a request through all steps, in the pipeline's order. */
export function runFilter(filters: RouteFilters, request: EditableRequest, body = ''): StepResult {
  for (const step of [...filters.entrySteps, ...filters.editSteps]) {
    const reply = step(request);
    if (reply !== null) return reply;
  }
  const plan = filters.requestBody;
  if (plan === null || request.bodyBytes === 0) return null;
  const collected = new CollectedBody(Buffer.from(body), plan.limits);
  for (const { step } of partsFor(plan, request)) {
    const reply = step(collected, request);
    if (reply !== null) return reply;
  }
  return null;
}

/** The contract, for one filter. */
export function describeFilter(one: FilterCase, compile: Compile): void {
  const run = (filters: RouteFilters, wish: RequestWish): StepResult =>
    runFilter(filters, aRequest(wish), wish.body);

  describe(`the filter ${one.name}`, () => {
    it('lets through what it is to let through, again and again', () => {
      const filters = compile(one.filters);
      for (let time = 0; time < 3; time++) expect(run(filters, one.accepted)).toBeNull();
    });

    if (one.refused !== undefined) {
      it('refuses with a problem that says what is wrong', () => {
        const reply = run(compile(one.filters), one.refused ?? {});
        expect(reply?.problem?.code).toMatch(/^GW_[A-Z_]+$/);
        expect(reply?.status).toBe(reply?.problem?.status);
        expect(reply?.detail).toMatch(/^[A-Z].+\.$/);
        expect(reply?.fields ?? '').toMatch(/^(\r\n[A-Za-z-]+: [^\r\n]+)*$/);
      });
    }

    if (one.refused !== undefined) {
      it('lets no request have a say in what comes of others', () => {
        const filters = compile(one.filters);
        const other = compile(one.filters);
        const first = run(other, one.refused ?? {});
        expect(run(filters, one.accepted)).toBeNull();
        expect(run(filters, one.refused ?? {})).toEqual(first);
        expect(run(filters, one.accepted)).toBeNull();
      });
    }

    it('changes nothing of its options: they are shared by all requests', () => {
      const frozen = deepFreeze(structuredClone(one.filters));
      const filters = compile(frozen);
      expect(run(filters, one.accepted)).toBeNull();
    });

    it('leaves the framing and identity of replies alone, and writes whole fields', () => {
      const filters = compile(one.filters);
      for (const isLocal of [true, false]) {
        const cookies = joinFields(field('Set-Cookie', 'a=1'), field('Set-Cookie', 'b=2'));
        const head = new ReplyHead(200, joinFields(field('X-Kept', 'a, b'), cookies), isLocal);
        for (const step of filters.replySteps) step(head, aRequest(one.accepted));
        expect(head.values('set-cookie')).toEqual(['a=1', 'b=2']);
        expect(head.value('x-kept')).toBe('a, b');
        expect(head.toBlock()).toMatch(/^(\r\n[A-Za-z-]+: [^\r\n]*)+$/);
        expect(head.toBlock()).not.toMatch(/content-length|transfer-encoding|x-request-id/i);
      }
    });
  });
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
