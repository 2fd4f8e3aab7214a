/*
 * Whole numbers up to 2^53 as their digits, wherever Lua makes text of a number: `..`, tostring,
 * table.concat, string.format("%s"). LuaJIT writes 14 digits (%.14g), so that 123456789012345
 * becomes 1.2345678901234e+14 and ids fall into one. Other numbers are written as before.
 *
 * build.rs compiles this file in the place of LuaJIT's lj_strfmt_num.c, which it includes with
 * its two entry points renamed; interpreter and compiled code both call them.
 */

#define lj_strfmt_putfnum mistress_putfnum
#define lj_strfmt_num mistress_num
#include "lj_strfmt_num.c"
#undef lj_strfmt_putfnum
#undef lj_strfmt_num

#define EXACT_MAX 9007199254740992.0 /* 2^53 */
#define DIGITS_14 1e14               /* from here on 14 digits are too few */
#define STRFMT_G17 (STRFMT_G | ((17 + 1) << STRFMT_SH_PREC))

LJ_FUNC SBuf *lj_strfmt_putfnum(SBuf *sb, SFormat sf, lua_Number n);
LJ_FUNCA GCstr *LJ_FASTCALL lj_strfmt_num(lua_State *L, cTValue *o);

/* 17 digits write any whole number of at most 16 without an exponent or a fraction. */
static SFormat format_of(SFormat sf, lua_Number n)
{
  lua_Number size = n < 0 ? -n : n;
  int is_long = size >= DIGITS_14 && size <= EXACT_MAX;
  return sf == STRFMT_G14 && is_long && (lua_Number)(int64_t)size == size ? STRFMT_G17 : sf;
}

SBuf *lj_strfmt_putfnum(SBuf *sb, SFormat sf, lua_Number n)
{
  return mistress_putfnum(sb, format_of(sf, n), n);
}

GCstr *LJ_FASTCALL lj_strfmt_num(lua_State *L, cTValue *o)
{
  char buf[STRFMT_MAXBUF_NUM];
  char *end = lj_strfmt_wfnum(NULL, format_of(STRFMT_G14, o->n), o->n, buf);
  return lj_str_new(L, buf, (MSize)(end - buf));
}
