/** How long a gateway that starts waits for sources of targets. */
import { expect, it } from 'vitest';
import { FirstAnswers } from '../../../../src/supervisor/discovery/first-answers.js';
import { FakeClock } from '../../../support/fake-clock.js';

it('are awaited until all sources have answered, and never again', () => {
  let unanswered = ['a'];
  const answers = new FirstAnswers(new FakeClock(), () => unanswered);
  expect(answers.areAwaited).toBe(true);
  unanswered = [];
  expect(answers.areAwaited).toBe(false);
  unanswered = ['b'];
  expect(answers.areAwaited).toBe(false);
});

it('are awaited for ten seconds at the most', () => {
  const clock = new FakeClock();
  const answers = new FirstAnswers(clock, () => ['a']);
  clock.advance(9_999);
  expect(answers.areAwaited).toBe(true);
  clock.advance(1);
  expect(answers.areAwaited).toBe(false);
});
