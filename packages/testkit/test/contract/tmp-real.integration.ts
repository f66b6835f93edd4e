import { describeDruidContract } from '../../src/contract/index.js';
describeDruidContract('real running', async () => ({ url: 'http://127.0.0.1:25954' }));
