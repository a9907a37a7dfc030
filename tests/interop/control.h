// SPDX-License-Identifier: GPL-2.0-or-later
// The connection of a program to who drives it: what happens is told as lines of JSON; what it is told are
// such lines, too (driven.py).
#ifndef BS_INTEROP_CONTROL_H
#define BS_INTEROP_CONTROL_H

#include <QJsonDocument>
#include <QJsonObject>
#include <unistd.h>

class Control
{
  public:
    explicit Control(int descriptor) : descriptor(descriptor)
    {
    }

    void
    tell(const QJsonObject &event) const
    {
        const QByteArray line = QJsonDocument(event).toJson(QJsonDocument::Compact) + '\n';

        if (write(descriptor, line.constData(), size_t(line.size())) != line.size())
            qWarning("nobody listens");
    }

    // Call it when there is something to read: it calls send() for each file that is to be sent. FALSE when
    // the program is to end.
    template <typename Send>
    bool
    hear(Send send)
    {
        char some[4096];
        const ssize_t count = read(descriptor, some, sizeof some);

        if (count <= 0)
            return false;
        heard.append(some, int(count));
        for (int end = heard.indexOf('\n'); end >= 0; end = heard.indexOf('\n')) {
            const QJsonObject command = QJsonDocument::fromJson(heard.left(end)).object();

            heard.remove(0, end + 1);
            if (command["do"] != "send")
                return false;
            send(command["to"].toString(), command["path"].toString());
        }
        return true;
    }

    const int descriptor;

  private:
    QByteArray heard;
};

#endif
