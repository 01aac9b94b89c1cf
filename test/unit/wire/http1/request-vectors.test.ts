/**
 * Vectors of other projects, read by the parser of requests: cut at every byte they mean the same,
 * and what is taken is what llhttp reads.
 */
import { expect, it } from 'vitest';
import { judgeRequests } from '../../../fuzz/request-fuzzer.js';
import { cutAt, oneByOne } from '../../../support/reply-outcome.js';
import { RULES, readRequests } from '../../../support/request-outcome.js';
import { isHostileHead, requestVectors, VECTOR_FILES } from '../../../support/request-vectors.js';
import { describeWithData } from '../../../support/shared-data.js';

/** A request that closes its connection is good, whatever stands behind it; nobody reads that. */
const READ_UP_TO_THE_CLOSE = /No restart when keep-alive is off \(1\.0\)/;

/** Which methods there are is for routes to say; llhttp has a list of its own. */
const METHOD_UNKNOWN_THERE = /ANNOUNCE method|Invalid method$/;

describeWithData(VECTOR_FILES, 'vectors of other projects', () => {
  const vectors = requestVectors().map(({ bytes, ...rest }) => ({
    ...rest,
    bytes: Buffer.from(bytes.replaceAll('__HOST__', 'a.test'), 'latin1'),
  }));

  it('are there', () => {
    expect(vectors.length).toBeGreaterThan(900);
  });

  it('mean the same, however they are cut', () => {
    for (const { name, bytes } of vectors) {
      const whole = readRequests([bytes]);
      expect(readRequests(oneByOne(bytes)), name).toEqual(whole);
      for (let at = 1; at < bytes.length; at++) {
        const cut = readRequests(cutAt(bytes, [at]));
        if (JSON.stringify(cut) !== JSON.stringify(whole)) expect(cut, name).toEqual(whole);
      }
    }
  });

  it('are read as llhttp reads them, or refused', () => {
    const wrong = vectors
      .map(({ name, bytes }) => `${name}: ${judgeRequests(bytes, [], RULES)}`)
      .filter((line) => !line.endsWith(': '));
    expect(wrong).toEqual([]);
  });

  it('are refused where they must be', () => {
    const taken = vectors
      .filter(({ bytes, isRefused }) => isRefused || isHostileHead(bytes.toString('latin1')))
      .filter(({ bytes }) => {
        const { requests, problem } = readRequests([bytes]);
        const isTaken = requests.length > 0 && requests.every(({ isComplete }) => isComplete);
        return problem === null && isTaken;
      })
      .map(({ name }) => name)
      .filter((name) => !READ_UP_TO_THE_CLOSE.test(name) && !METHOD_UNKNOWN_THERE.test(name));
    expect(taken).toEqual([]);
  });
});
