/** Login or workspace. */
import { Login } from "./login.tsx";
import { leavePush } from "./push.ts";
import { useSession } from "./session.ts";
import { Workspace } from "./workspace.tsx";

export function App() {
  const { state, threadId, login, logout, openThread } = useSession();
  if (state === "restoring") return <main className="login" aria-busy="true" />;
  if (state === "anonymous") return <Login login={login} />;
  const leave = () => {
    void leavePush(state);
    logout();
  };
  // Another user is another page: nothing of the first one's state may stay.
  return <Workspace key={state.userId} identity={state} threadId={threadId} openThread={openThread} logout={leave} />;
}
