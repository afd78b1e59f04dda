#pragma once
#include "litert/c/litert_common.h"
LiteRtStatus LiteRtCreateOptions(LiteRtOptions *options);
LiteRtStatus LiteRtSetOptionsHardwareAccelerators(LiteRtOptions options, LiteRtHwAcceleratorSet set);
void LiteRtDestroyOptions(LiteRtOptions options);
