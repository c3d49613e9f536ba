/* Functions that a later reader would have to check, banned at compile time
 * (git's banned.h). Force-included by the Makefile. */
#ifndef MANIMD_BANNED_H
#define MANIMD_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strncpy
#undef strncat
#undef strtok
#undef gmtime
#undef localtime
#undef ctime
#undef atoi
#undef alloca
#undef system
#undef popen
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok
#pragma GCC poison gmtime localtime ctime atoi atol system popen alloca

#endif
