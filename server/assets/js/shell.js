// Pages without a module of their own: only the frame works.

import { startFrame } from "./frame.js";

startFrame();
