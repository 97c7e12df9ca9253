/** The program's version. A constant, because reading package.json would cost at every start; a test keeps both equal. */
export const VERSION = "0.1.0";
