// Shows Web Push notices, also while no page is open. What is pushed: cloud/notify/web_push.py.

self.addEventListener("push", (event) => {
  const told = event.data.json();
  // The tag is the notice's id: one that is pushed twice is shown once.
  event.waitUntil(
    self.registration.showNotification(told.title, { body: told.body, tag: told.id, icon: "/static/icon.svg" }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(self.clients.openWindow("/me"));
});
