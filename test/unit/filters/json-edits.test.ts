/** JSON bodies of replies that filters change, piece by piece. */
import { describe, expect, it } from 'vitest';
import { field, joinFields, NO_FIELDS } from '../../../src/base/field-block.js';
import { PROBLEMS } from '../../../src/base/problems.js';
import type { StageHead } from '../../../src/filters/reply-stage.js';
import { JsonEdits, type ReplyBodyPlan } from '../../../src/filters/transformation/json-edits.js';
import { makeExchange } from '../../support/make-exchange.js';

const PLAN: ReplyBodyPlan = {
  maxBytes: 100,
  from: 'json',
  to: 'json',
  limits: { maxDepth: 9, maxMembers: 99 },
  edit: (all) => all,
};
const JSON_TYPE = field('Content-Type', 'application/json');

/** A reply that has passed the stage, as its sink hears it. */
function pass(wish: Partial<StageHead> = {}) {
  const head = { status: 200, fields: JSON_TYPE, bodyBytes: -1, isBodiless: false, isLocal: false };
  const said: string[] = [];
  const opened = { ...head, ...wish };
  const stage = new JsonEdits(PLAN).open(makeExchange(), opened);
  stage?.connect({
    next: {
      head: ({ bodyBytes, fields }) => said.push(`head ${bodyBytes}${fields}`),
      data: (bytes, isLast) => said.push(`${bytes}${isLast ? '' : ' …'}`) > 0,
      trailers: (fields) => said.push(`trailers${fields}`),
      end: () => said.push('end'),
      abort: () => said.push('abort'),
    },
    resumeSource: () => {},
    refuse: ({ code }) => said.push(code),
    fail: (error) => said.push(String(error)),
  });
  stage?.head(opened);
  return { stage, said };
}

describe('a JSON reply of a target', () => {
  it('goes out whole, with the length that it has after the change', () => {
    const { stage, said } = pass();
    expect(stage?.data(Buffer.from('{"a" '), false)).toBe(true);
    expect(said).toEqual([]);
    stage?.data(Buffer.from(': 1}'), true);
    expect(said).toEqual([`head 7${JSON_TYPE}`, '{"a":1}']);
  });

  it('ends with its trailers when it has some', () => {
    const { stage, said } = pass();
    stage?.data(Buffer.from('{}'), false);
    stage?.trailers(field('X-Sum', '7'));
    expect(said).toEqual([`head 2${JSON_TYPE}`, '{} …', `trailers${field('X-Sum', '7')}`]);
  });

  it('loses what is said of the bytes that the target sent', () => {
    const { stage, said } = pass({ fields: joinFields(JSON_TYPE, field('ETag', '"a"')) });
    stage?.data(Buffer.from('{}'), false);
    stage?.end();
    expect(said).toEqual([`head 2${JSON_TYPE}`, '{}']);
  });

  it('that is empty stays so: there is nothing to change', () => {
    const ended = pass();
    ended.stage?.end();
    expect(ended.said).toEqual([`head 0${JSON_TYPE}`, 'end']);
    const cut = pass();
    cut.stage?.data(Buffer.alloc(0), true);
    expect(cut.said).toEqual([`head 0${JSON_TYPE}`, 'end']);
    const trailed = pass();
    trailed.stage?.trailers(field('X-Sum', '0'));
    expect(trailed.said).toEqual([`head 0${JSON_TYPE}`, `trailers${field('X-Sum', '0')}`]);
    const blank = pass();
    blank.stage?.data(Buffer.from('\r\n'), true);
    expect(blank.said).toEqual([`head 2${JSON_TYPE}`, '\r\n']);
  });

  it('may begin with a byte order mark', () => {
    const { stage, said } = pass();
    stage?.data(Buffer.from('\ufeff[1]'), true);
    expect(said).toEqual([`head 3${JSON_TYPE}`, '[1]']);
  });

  const REFUSED = [PROBLEMS.replyUnchangeable.code];

  it('is refused when it is no JSON, and when it is too long', () => {
    const broken = pass();
    broken.stage?.data(Buffer.from('{"half":'), true);
    expect(broken.said).toEqual(REFUSED);
    const long = pass();
    long.stage?.data(Buffer.alloc(101, ' '), false);
    expect(long.said).toEqual(REFUSED);
  });

  it.each<Partial<StageHead>>([
    { bodyBytes: 101 },
    { status: 206 },
    { fields: joinFields(JSON_TYPE, field('Content-Encoding', 'gzip')) },
    { fields: field('Content-Type', 'application/json; charset=latin1') },
    { fields: field('Content-Type', 'text/plain, application/json') },
  ])('is refused by its head: %j', (wish) => {
    expect(pass(wish).said).toEqual(REFUSED);
  });
});

describe('a reply that is not changed', () => {
  it.each<Partial<StageHead>>([
    { fields: field('Content-Type', 'text/html') },
    { fields: NO_FIELDS },
    { bodyBytes: 0 },
  ])('goes on as it comes: %j', (wish) => {
    const { stage, said } = pass(wish);
    stage?.data(Buffer.from('a'), false);
    stage?.data(Buffer.from('b'), true);
    expect(said.slice(1)).toEqual(['a …', 'b']);
  });

  it('to HEAD says no length: a GET would get another one', () => {
    expect(pass({ isBodiless: true, bodyBytes: 9 }).said).toEqual([`head -1${JSON_TYPE}`]);
  });

  it('of the gateway itself passes no stage', () => {
    expect(pass({ isLocal: true }).stage).toBeNull();
  });
});
