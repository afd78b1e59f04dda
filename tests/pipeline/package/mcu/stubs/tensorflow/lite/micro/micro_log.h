// What the generated source uses of tflite-micro's header of this name.
#pragma once
#include <cstdio>
#define MicroPrintf(...) (std::printf(__VA_ARGS__), std::putchar('\n'))
