/**
 * Makes the next version of the configuration aside, in a thread that lives as long as that takes:
 * whoever serves requests goes on serving them meanwhile.
 *
 * Thread: loader. Started by the supervisor for a reload.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../base/clock.js';
import { prepareVersion, type VersionOrder } from './prepare-version.js';

parentPort?.postMessage(await prepareVersion(workerData as VersionOrder, systemClock.unixMs));
