/* What the generated example uses of OpenVINO's header of this name. */
#pragma once
#include <stddef.h>

typedef enum { OK = 0 } ov_status_e;
typedef struct ov_core ov_core_t;
typedef struct ov_compiled_model ov_compiled_model_t;
typedef struct ov_infer_request ov_infer_request_t;
typedef struct ov_tensor ov_tensor_t;

const char *ov_get_error_info(ov_status_e status);
ov_status_e ov_core_create(ov_core_t **core);
ov_status_e ov_core_compile_model_from_file(const ov_core_t *core, const char *path,
                                            const char *device, size_t properties,
                                            ov_compiled_model_t **compiled, ...);
ov_status_e ov_compiled_model_create_infer_request(const ov_compiled_model_t *compiled,
                                                   ov_infer_request_t **request);
ov_status_e ov_infer_request_get_input_tensor_by_index(const ov_infer_request_t *request, size_t index,
                                                       ov_tensor_t **tensor);
ov_status_e ov_infer_request_get_output_tensor_by_index(const ov_infer_request_t *request,
                                                        size_t index, ov_tensor_t **tensor);
ov_status_e ov_infer_request_infer(ov_infer_request_t *request);
ov_status_e ov_tensor_data(const ov_tensor_t *tensor, void **data);
void ov_tensor_free(ov_tensor_t *tensor);
void ov_infer_request_free(ov_infer_request_t *request);
void ov_compiled_model_free(ov_compiled_model_t *compiled);
void ov_core_free(ov_core_t *core);
