// What the generated source uses of tflite-micro's header of this name.
#pragma once
enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
namespace tflite {
template <unsigned int kCount>
class MicroMutableOpResolver {
 public:
  TfLiteStatus AddRelu() { return Add(); }
  TfLiteStatus AddRelu6() { return Add(); }
  unsigned int added = 0;

 private:
  TfLiteStatus Add() { return added++ < kCount ? kTfLiteOk : kTfLiteError; }
};
}  // namespace tflite
