// SPDX-License-Identifier: LGPL-2.1-or-later
// Buffers that keep their RoomAudioMeta between uses: a structure with its strings costs more to
// make than the slice of audio it describes.
#include "roomaudio.h"

namespace {

// With one buffer in use and others waiting, taking and giving back makes no system call: the
// pool's own wake-up is for those who wait for its last buffer.
constexpr guint kReadyBuffers = 2;

}  // namespace

struct RoomAudioBufferPool {
  GstBufferPool parent;
};
struct RoomAudioBufferPoolClass {
  GstBufferPoolClass parent;
};
static GType room_audio_buffer_pool_get_type();
G_DEFINE_TYPE(RoomAudioBufferPool, room_audio_buffer_pool, GST_TYPE_BUFFER_POOL)

static GstFlowReturn alloc_buffer(GstBufferPool* pool, GstBuffer** buffer,
                                  GstBufferPoolAcquireParams* params) {
  const auto* parent = GST_BUFFER_POOL_CLASS(room_audio_buffer_pool_parent_class);
  const GstFlowReturn flow = parent->alloc_buffer(pool, buffer, params);
  if (flow == GST_FLOW_OK) {
    GstMeta* meta = gst_buffer_add_meta(*buffer, room_audio_meta_register(), nullptr);
    meta->flags = GstMetaFlags(meta->flags | GST_META_FLAG_POOLED);
  }
  return flow;
}

static void room_audio_buffer_pool_class_init(RoomAudioBufferPoolClass* klass) {
  GST_BUFFER_POOL_CLASS(klass)->alloc_buffer = alloc_buffer;
}

static void room_audio_buffer_pool_init(RoomAudioBufferPool*) {}

GstBufferPool* room_audio_buffer_pool_new(guint size) {
  auto* pool =
      GST_BUFFER_POOL(g_object_ref_sink(g_object_new(room_audio_buffer_pool_get_type(), nullptr)));
  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, nullptr, size, kReadyBuffers, 0);
  gst_buffer_pool_set_config(pool, config);
  gst_buffer_pool_set_active(pool, TRUE);
  return pool;
}
