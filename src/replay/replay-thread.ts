/**
 * Where the replay of recent requests runs: a thread that lives as long as that takes.
 *
 * Thread: loader. Started for a request to the admin listener.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type RecentReplayOrder, replayRecent } from './recent-replay.js';

parentPort?.postMessage(await replayRecent(workerData as RecentReplayOrder));
