/**
 * Question: what does a plain GET cost over HTTP/2, where sixteen share a connection?
 */
import { http2Scenario } from '../http2.js';

export const http2Multiplexed = http2Scenario({
  name: 'http2-multiplexed',
  title: 'GET over HTTP/2 with TLS, 8 connections of 16 streams, 131 bytes of JSON back',
  connections: 8,
  streams: 16,
});
