/**
 * Question: how fast does a gateway pass a large upload on, and does its memory stay flat?
 */
import { streamScenario } from '../stream.js';

export const streamUp = streamScenario('up');
