// Pages without a module of their own: only the frame works.

import { startTheme } from "./theme.js";

startTheme();
