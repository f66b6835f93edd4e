export { reportTo } from './report-to.js';
