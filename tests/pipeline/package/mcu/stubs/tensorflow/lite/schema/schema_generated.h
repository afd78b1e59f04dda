// What the generated source uses of tflite-micro's header of this name.
#pragma once
#include <cstdint>
#include <cstring>
#define TFLITE_SCHEMA_VERSION (3)
namespace tflite {
struct Model {
  const std::uint8_t* bytes;
  int version() const { return std::memcmp(bytes + 4, "TFL3", 4) == 0 ? 3 : 0; }
};
inline const Model* GetModel(const void* buffer) {
  static Model model;
  model.bytes = static_cast<const std::uint8_t*>(buffer);
  return &model;
}
}  // namespace tflite
