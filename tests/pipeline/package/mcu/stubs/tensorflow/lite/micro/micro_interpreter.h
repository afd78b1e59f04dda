// What the generated source uses of tflite-micro's header of this name. Its model is ReLU of four
// int8 numbers whose zero point is -3, in an arena of 1016 bytes or more.
#pragma once
#include <cstddef>
#include <cstdint>

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

union TfLitePtrUnion {
  char* raw;
  const char* raw_const;
};
struct TfLiteTensor {
  TfLitePtrUnion data;
};
namespace tflite {
class MicroInterpreter {
 public:
  template <typename Resolver>
  MicroInterpreter(const Model*, const Resolver& resolver, std::uint8_t* arena, std::size_t bytes)
      : arena_(arena), bytes_(bytes), operators_(resolver.added) {
    input_.data.raw = reinterpret_cast<char*>(arena);
    output_.data.raw = reinterpret_cast<char*>(arena) + 16;
  }
  TfLiteStatus AllocateTensors() {
    const bool aligned = reinterpret_cast<std::uintptr_t>(arena_) % 16 == 0;
    return aligned && bytes_ >= 1016 && operators_ == 1 ? kTfLiteOk : kTfLiteError;
  }
  TfLiteStatus Invoke() {
    for (int i = 0; i < 4; ++i) {
      const signed char x = static_cast<signed char>(input_.data.raw[i]);
      output_.data.raw[i] = static_cast<char>(x > -3 ? x : -3);
    }
    return kTfLiteOk;
  }
  TfLiteTensor* input(std::size_t) { return &input_; }
  TfLiteTensor* output(std::size_t) { return &output_; }
  std::size_t arena_used_bytes() const { return 1016; }

 private:
  std::uint8_t* arena_;
  std::size_t bytes_;
  unsigned int operators_;
  TfLiteTensor input_, output_;
};
}  // namespace tflite
