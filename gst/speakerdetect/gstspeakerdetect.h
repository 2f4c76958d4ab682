// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SPEAKER_DETECT (gst_speaker_detect_get_type())
G_DECLARE_FINAL_TYPE(GstSpeakerDetect, gst_speaker_detect, GST, SPEAKER_DETECT, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE(speakerdetect)

G_END_DECLS
