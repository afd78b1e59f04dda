#pragma once
#include "litert/c/litert_common.h"
LiteRtStatus LiteRtCreateEnvironment(int count, const void *options, LiteRtEnvironment *environment);
void LiteRtDestroyEnvironment(LiteRtEnvironment environment);
