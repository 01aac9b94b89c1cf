/** Collects all garbage until a condition holds: finalizers run some turns behind a collection. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const ROUNDS_MAX = 50;

export async function collectGarbageUntil(isDone: () => boolean): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let round = 0; round < ROUNDS_MAX && !isDone(); round += 1) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
